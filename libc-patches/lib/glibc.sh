# shellcheck shell=bash
# How glibc is configured and installed.

objects=8503

# Debian's tarball has no manual; the build wants a directory of that name
# that has nothing to build.
prepare_source() {
	[ ! -e "$1/manual/Makefile" ] || return 0
	mkdir -p "$1/manual" && cat > "$1/manual/Makefile" <<-END
	# This tarball has no manual: nothing to build here.
	subdir := manual
	include ../Makeconfig
	include ../Rules
	END
}

# The system's time zones, not a copy; no daemon, no locales but C and C.UTF-8.
configure_libc() {
	local cet=''
	case $host in x86_64* | i?86*) cet=--enable-cet ;; esac
	kernel_headers "$work/headers" &&
	echo 'zonedir = /usr/share/zoneinfo' > "$work/obj/configparms" &&
	run configure -d "$work/obj" env CC="$cc" CFLAGS='-O2 -g' \
		../src/configure --prefix="$prefix" --libdir="$prefix/lib" \
		--with-headers="$work/headers" --disable-werror \
		--disable-build-nscd --disable-nscd --without-selinux \
		--without-gd --enable-stack-protector=strong $cet \
		${cross:+"--host=$host"} \
		libc_cv_slibdir="$prefix/lib" libc_cv_rtlddir="$prefix/lib"
}

install_libc() {
	run install make -C "$work/obj" DESTDIR="$1" install
}
