# shellcheck shell=bash
# How musl is configured and installed.

objects=1361

prepare_source() { :; }

configure_libc() {
	run configure -d "$work/obj" env CC="$cc" CFLAGS=-g \
		../src/configure --prefix="$prefix" --syslibdir="$prefix/lib" \
		--disable-gcc-wrapper ${cross:+"--host=$host"}
}

install_libc() {
	run install make -C "$work/obj" DESTDIR="$1" install
}
