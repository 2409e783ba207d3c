# shellcheck shell=bash
# A C++ runtime for a sysroot whose libc the system's own does not run on:
# libstdc++ and a shared unwinder, from the sources of the compiler that the
# wrappers start. The headers have to fit that compiler.

cxx_names() {
	cxx_version=$(compiler -dumpversion)
	cxx_target=$(compiler -dumpmachine | sed 's/gnu$/musl/')
	cxx_release=$(compiler -dumpfullversion 2> /dev/null)
}

compiler() { ${cc##*ccache } "$@"; }

# cxx_at_hand: sets cxx_source, and cxx_fixes to the distribution's patches.
cxx_at_hand() {
	local dir file
	cxx_names
	[ -n "$cxx_release" ] || return
	for dir in "$source_dir" "/usr/src/gcc-$cxx_version" \
		"$cache/gcc-$cxx_version"; do
		for file in "${dir:-$cache}/gcc-$cxx_release"{,-dfsg}.tar.xz; do
			[ -f "$file" ] || continue
			cxx_source=$file cxx_fixes=''
			[ ! -e "$dir/patches/git-updates.diff" ] ||
				cxx_fixes=$dir/patches/git-updates.diff
			return
		done
	done
	return 1
}

# find_cxx: the same, asking the distribution for it; sets why if that fails.
find_cxx() {
	local package
	cxx_at_hand && return
	package=gcc-$cxx_version-source
	why="no gcc-$cxx_release.tar.xz in ${source_dir:-$cache} or" why+=" /usr/src"
	if [ -z "$cxx_release" ]; then
		why="$cc is not gcc"
	elif [ -n "$TLABI_OFFLINE" ]; then
		why+=', TLABI_OFFLINE is set'
	elif ! command -v apt-get dpkg-deb > /dev/null; then
		why+=', this machine has no apt'
	elif ! (cd "$scratch" && run fetch apt-get -q download "$package"); then
		why+=", apt-get download $package failed"
	else
		keep_cxx "$scratch/$package" || {
			rm -rf "$cache/.gcc-$cxx_version.$$"
			die 4 "cannot write to $cache; make room there"
		}
		cxx_at_hand && return
		why+=", $package does not have it"
	fi
	return 1
}

# keep_cxx DIR: what was fetched enters the cache whole or not at all.
keep_cxx() {
	local whole=$cache/.gcc-$cxx_version.$$
	mkdir -p "$cache" &&
	dpkg-deb -x "$1"_*.deb "$1" &&
	cp -r "$1/usr/src/gcc-$cxx_version" "$whole" || return
	if cxx_at_hand; then	# by another build, which was faster
		rm -rf "$whole"
	else
		rm -rf "$cache/gcc-$cxx_version" &&
		mv -T "$whole" "$cache/gcc-$cxx_version"
	fi
}

# What the record of a sysroot has to say, for it to be left alone.
cxx_is_right() {
	[ -z "$cross" ] || return 0
	case $with_cxx$(record c++) in
	yesnone | no[0-9]*) return 1 ;;
	none) ! cxx_at_hand ;;
	esac
}

# Sets cxx to the version that goes into the sysroot, or to none.
phase_cxx() {
	local phase=c++
	cxx=none
	[ "$with_cxx" != no ] || return 0
	if [ -n "$cross" ]; then
		[ "$with_cxx" != yes ] || die 2 "no C++ runtime is built for" \
			"another machine; leave --with-c++ out"
		return 0
	fi
	if ! find_cxx; then
		[ "$with_cxx" != yes ] || die 3 "no C++ runtime for $name: $why;" \
			"install gcc-$cxx_version-source, give the tarball by" \
			"--source-dir, or use --without-c++; log: $log"
		note "C only, for a C++ runtime cannot be built: $why"
		return 0
	fi
	cxx_key=$({
		echo "$build_key $cxx_source"
		cat "$here/lib/cxx.sh" "$here/lib/wrappers/musl.specs" \
			${cxx_fixes:+"$cxx_fixes"}
	} | digest)
	is_done cxx "$cxx_key" cxx/inst || build_cxx || return
	cp -R "$work/cxx/inst$prefix/." "$tree" && cxx=$cxx_release
}

build_cxx() {
	local top=$work/cxx
	note "C++ runtime from $cxx_source"
	rm -rf "$work/cxx.done" "$top" && mkdir -p "$top/src" "$top/obj" \
		"$top/inst$prefix/lib" || return
	unpack_cxx && compilers_for_cxx && build_unwinder && build_libstdcxx ||
		return
	mark_done cxx "$cxx_key"
}

# Only what is needed of a tree that is a hundred times as large.
unpack_cxx() {
	local root
	root=$(tar -t -f "$cxx_source" 2> /dev/null | head -n 1)
	root=${root%%/*}
	run c++ tar -x -f "$cxx_source" -C "$top/src" --strip-components=1 \
		--no-same-owner --exclude='*/testsuite' --exclude='*/doc/html' \
		"$root"/{config,include,libgcc,libstdc++-v3,libiberty} \
		"$root"/gcc/{BASE-VER,DATESTAMP} "$root"/{config.guess,config.sub} \
		"$root"/{config-ml.in,install-sh,ltmain.sh,mkinstalldirs,missing} \
		"$root"/{config.rpath,depcomp,move-if-change} &&
	mkdir "$top/src/libstdc++-v3/testsuite" &&
	echo 'all install:' > "$top/src/libstdc++-v3/testsuite/Makefile.in" &&
	ln -s gthr-posix.h "$top/src/libgcc/gthr-default.h" &&
	without_cache "$top/src/libgcc/unwind-dw2-fde-dip.c" || return
	[ -z "$cxx_fixes" ] || awk '
		/^--- / {
			from = $0
			getline
			keep = $2 ~ /^b\/src\/(libstdc\+\+-v3|libgcc|include)\// &&
				!/\/(testsuite|doc)\//
			if (keep)
				print from
		}
		keep' "$cxx_fixes" > "$top/fixes.diff" &&
		run c++ patch -d "$top/src" -p2 -f -s -i "$top/fixes.diff"
}

# The unwinder keeps a list of what it has found, and changes it in the calls
# that it gets from dl_iterate_phdr(). glibc makes them one at a time, musl
# does not: threads that throw at the same time spoiled the list and looked
# through it for ever.
without_cache() {
	local usable='size >= sizeof (struct ext_dl_phdr_info)'
	[ "$(grep -c "$usable" "$1")" = 2 ] || {
		echo "$1 is not as expected" >> "$log"
		return 1
	}
	sed -i "s/$usable/0/" "$1"
}

# Only on glibc does the unwinder know an x86 signal frame by its instructions,
# and musl describes none: nothing could look through a handler.
with_signal_frames() {
	local glibc='#if defined __GLIBC__ && !(__GLIBC__ == 2 && __GLIBC_MINOR__ == 0)'
	[ "$(grep -cxF "$glibc" "$1")" = 1 ] || {
		echo "$1 is not as expected" >> "$log"
		return 1
	}
	sed -i --follow-symlinks 's/^#if defined __GLIBC__ && .*/#if 1/' "$1"
}

# The wrappers, aimed at the tree that is being put together. libtool learns
# from them what a library is linked with, and understands -l only.
compilers_for_cxx() {
	prefix=$tree loader=$tree/lib/${loader##*/} \
		template musl.specs "$top/specs" 644 || return
	cat >> "$top/specs" <<-END

	*libgcc:
	-lgcc --push-state --as-needed -lgcc_s --pop-state
	END
	printf '#!/bin/sh\nexec %s -specs=%s "$@"\n' "$cc" "$top/specs" \
		> "$top/cc" &&
	printf '#!/bin/sh\nexec %s -specs=%s "$@"\n' "$(cxx_of "$cc")" \
		"$top/specs" > "$top/c++" &&
	chmod +x "$top/cc" "$top/c++"
}

# cxx_of CC: the C++ compiler of the same kind and version.
cxx_of() { echo "${1%gcc*}g++${1##*gcc}"; }

# The compiler comes with an unwinder that links into each object; in a process
# with several objects there must be one, or none may pass another's exceptions
# on. Of libgcc's configuration only this much matters to these files.
build_unwinder() {
	local file include=$top/unwind cpu
	case $cxx_target in
	x86_64-* | i?86-*) cpu=i386 ;;
	riscv*) cpu=riscv ;;
	*) cpu=${cxx_target%%-*} ;;
	esac
	mkdir -p "$include" || return
	cat > "$include/tconfig.h" <<-END
	#define HAVE_LD_EH_FRAME_HDR 1
	#define TARGET_DL_ITERATE_PHDR 1
	#define ATTRIBUTE_UNUSED __attribute__((unused))
	#define DWARF_REG_TO_UNWIND_COLUMN(reg) (reg)
	END
	cat > "$include/tsystem.h" <<-END
	#include <errno.h>
	#include <limits.h>
	#include <stddef.h>
	#include <stdint.h>
	#include <stdlib.h>
	#include <string.h>
	#include <unistd.h>
	#define gcc_assert(true) ((true) ? (void)0 : abort())
	#define gcc_unreachable() abort()
	END
	for file in coretypes tm libgcc_tm auto-target; do
		: > "$include/$file.h"
	done
	ln -sf "$top/src/libgcc/unwind-generic.h" "$include/unwind.h" &&
	ln -sf "$top/src/libgcc/config/$cpu/linux-unwind.h" \
		"$include/md-unwind-support.h" || return
	[ "$cpu" != i386 ] ||
		with_signal_frames "$include/md-unwind-support.h" || return
	for file in unwind-dw2 unwind-dw2-fde-dip unwind-c emutls; do
		run c++ "$top/cc" -O2 -g -fPIC -fexceptions -fbuilding-libgcc \
			-D_GNU_SOURCE \
			-DIN_GCC -DIN_LIBGCC2 -DGTHREAD_USE_WEAK=0 -I"$include" \
			-I"$top/src/libgcc" -I"$top/src/include" \
			-c "$top/src/libgcc/$file.c" -o "$include/$file.o" || return
	done
	run c++ "$top/cc" -shared -nostdlib -Wl,-soname,libgcc_s.so.1 \
		-Wl,-z,defs -o "$top/inst$prefix/lib/libgcc_s.so.1" \
		"$include"/*.o -lc -lgcc &&
	ln -s libgcc_s.so.1 "$top/inst$prefix/lib/libgcc_s.so" &&
	cp -P "$top/inst$prefix/lib"/libgcc_s.so* "$tree/lib"
}

build_libstdcxx() {
	local option
	run c++ -d "$top/obj" ../src/libstdc++-v3/configure \
		--build="$cxx_target" --host="$cxx_target" \
		--prefix="$prefix" --libdir="$prefix/lib" \
		--with-gxx-include-dir="$prefix/include/c++/$cxx_version" \
		--disable-multilib --disable-nls --disable-libstdcxx-pch \
		--disable-werror --enable-clocale=generic \
		CC="$top/cc" CXX="$top/c++" &&
	grep -q '^#define _GLIBCXX_HAS_GTHREADS 1' "$top/obj/config.h" &&
	run c++ make -C "$top/obj" -j "$jobs" &&
	run c++ make -C "$top/obj" DESTDIR="$top/inst" install &&
	rm -rf "$top/inst$prefix/lib"/{*.la,*.py} "$top/inst$prefix/share"
}
