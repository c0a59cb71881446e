"""Target ``vm``: a libvirt virtual machine."""
