# install() and export() of the targets another project uses.
