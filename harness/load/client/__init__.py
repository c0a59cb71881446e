"""The client that is measured with: an exact HTTP client on gevent's loop, over one connection or several places."""
