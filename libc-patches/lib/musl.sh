# shellcheck shell=bash
# How musl is configured and installed.

objects=1361

prepare_source() { :; }

# A long double is a double for musl on powerpc64le, and a pair of doubles for
# the compilers of distributions.
abi_flags() {
	case $host in powerpc64le-*) printf ' -mlong-double-64' ;; esac
}

configure_libc() {
	run configure -d "$work/obj" env CC="$cc" CFLAGS="-g$(abi_flags)" \
		../src/configure --prefix="$prefix" --syslibdir="$prefix/lib" \
		--disable-gcc-wrapper ${cross:+"--host=$host"}
}

install_libc() {
	run install make -C "$work/obj" DESTDIR="$1" install
}
