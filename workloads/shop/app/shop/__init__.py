"""The shop: auth, catalog and payments, each a module that any process of the shop may serve, alone or with the others.

Which ones a process serves, and where it finds the rest, is said by its environment (``shop.settings``). Nothing else
tells the monolith and the microservices apart.
"""
