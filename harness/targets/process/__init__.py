"""Target ``process``: a plain process of this host."""
