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

# The system's time zones, not a copy; no daemon; locales are furnish.sh's.
# What the loader's cache does not know is looked for where the system's own
# loader looks, so that a library installed tomorrow is found.
configure_libc() {
	local cet=''
	case $host in x86_64*) cet=--enable-cet ;; esac
	kernel_headers "$work/headers" &&
	cat > "$work/obj/configparms" <<-END &&
	zonedir = /usr/share/zoneinfo
	user-defined-trusted-dirs = $(system_directories)
	END
	run configure -d "$work/obj" env CC="$cc" CFLAGS='-O2 -g' \
		../src/configure --prefix="$prefix" --libdir="$prefix/lib" \
		--with-headers="$work/headers" --disable-werror \
		--disable-build-nscd --disable-nscd --without-selinux \
		--without-gd --enable-stack-protector=strong $cet \
		${cross:+"--host=$host"} \
		libc_cv_slibdir="$prefix/lib" libc_cv_rtlddir="$prefix/lib"
}

# Where a distribution's loader looks without being told.
system_directories() {
	local multiarch dir
	if [ -n "$cross" ]; then
		echo "/usr/$host/lib"
		return
	fi
	multiarch=$(${cc##*ccache } -print-multiarch 2> /dev/null)
	for dir in ${multiarch:+/lib/$multiarch /usr/lib/$multiarch} \
		/lib64 /usr/lib64 /lib /usr/lib; do
		printf '%s ' "$dir"
	done
}

install_libc() {
	run install make -C "$work/obj" DESTDIR="$1" install
}
