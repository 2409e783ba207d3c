# shellcheck shell=bash
# What a sysroot has beside the libc: kernel headers, wrappers, a record.

# kernel_headers DIR: those of the machine that the libc is for, as the kernel
# exports them.
kernel_headers() {
	local dir multiarch from=/usr/include
	[ -z "$cross" ] || from=/usr/$host/include
	multiarch=$(${cc##*ccache } -print-multiarch 2> /dev/null)
	rm -rf "$1"
	mkdir -p "$1" || return
	for dir in linux asm-generic mtd rdma misc scsi sound video xen drm asm; do
		if [ -n "$multiarch" ] && [ -d "$from/$multiarch/$dir" ]; then
			cp -RL "$from/$multiarch/$dir" "$1" || return
		elif [ -d "$from/$dir" ]; then
			cp -RL "$from/$dir" "$1" || return
		fi
	done >> "$log" 2>&1
}

# The loader that the installed libc has, as programs will name it.
find_loader() {
	local file
	for file in "$tree"/lib/ld-musl-*.so.1 "$tree"/lib/ld-linux*.so.[0-9] \
		"$tree"/lib/ld[0-9]*.so.[0-9]; do
		[ -e "$file" ] || [ -L "$file" ] || continue
		echo "$prefix/lib/${file##*/}"
		return
	done
	echo 'no loader was installed' >&2
	return 1
}

# Where programs of this machine that use that kind of libc find libraries.
host_libraries() {
	local dir found=''
	for dir in $(library_directories); do
		[ ! -d "$dir" ] || found+=:$dir
	done
	echo "${found#:}"
}

library_directories() {
	local path
	if [ -n "$cross" ]; then
		echo "/usr/$host/lib"
	elif [ "$libc" = musl ]; then
		path=$(cat /etc/ld-musl-*.path 2> /dev/null)
		if [ -z "$path" ] && ls /lib/ld-musl-* > /dev/null 2>&1; then
			path=/lib:/usr/local/lib:/usr/lib
		fi
		echo "${path//:/ }"
	else
		PATH=$PATH:/sbin:/usr/sbin ldconfig -v -N -X 2> /dev/null |
			sed -n 's,^\(/[^:]*\):.*,\1,p'
	fi
}

# template NAME DESTINATION
template() {
	sed -e "s,@PREFIX@,$prefix,g" -e "s,@LOADER@,$loader,g" \
		-e "s,@LIBC@,$name,g" -e "s,@CC@,${cc##*ccache },g" \
		-e "s,@HOST_LIBRARIES@,$host_dirs,g" \
		-e "s,@MULTIARCH@,$multiarch,g" \
		-e "${cross:+/-idirafter \/usr\/include/d}" \
		-e "${cross:+s,TLABI_CXX:-g++,TLABI_CXX:-$host-g++,}" \
		"$here/lib/wrappers/$1" > "$2" && chmod "${3:-755}" "$2"
}

finish_sysroot() {
	local loader host_dirs multiarch count
	loader=$(find_loader) || return
	host_dirs=$(host_libraries)
	multiarch=$(${cc##*ccache } -print-multiarch 2> /dev/null)
	mkdir -p "$tree/bin" "$tree/etc" "$tree/share/tlabi" || return
	finish_"$libc" || return
	template run "$tree/bin/tlabi-run" || return
	count=$(patches | wc -l)
	cat > "$tree/share/tlabi/sysroot.txt" <<-END
	libc=$libc
	version=$version
	patched=$([ -n "$stock" ] && echo no || echo yes)
	patches=$count
	source=${tarball##*/}
	sha256=$sha
	fixes=${fixes##*/}
	fixes_sha256=$fixes_sha
	prefix=$prefix
	loader=$loader
	machine=$(${cc##*ccache } -dumpmachine)
	compiler=$(${cc##*ccache } --version | head -n 1)
	key=$sysroot_key
	END
}

# A program finds libraries here and nowhere else: the host's are another's.
finish_musl() {
	local linker=${loader##*/}
	# The installed link is an absolute one; it must survive being moved.
	ln -sf libc.so "$tree/lib/$linker" &&
	echo "$prefix/lib" > "$tree/etc/${linker%.so.1}.path" &&
	unwind_helper &&
	template musl.specs "$tree/lib/tlabi-gcc.specs" 644 &&
	template gcc-musl "$tree/bin/tlabi-gcc"
}

unwind_helper() {
	local object=$tree/lib/dl_find_object.o
	$cc -O2 -fPIC -nostdinc -isystem "$tree/include" \
		-c "$here/lib/dl_find_object.c" -o "$object" &&
	rm -f "$tree/lib/libtlabi_eh.a" &&
	"${cross:+$host-}ar" rc "$tree/lib/libtlabi_eh.a" "$object" && rm "$object"
}

# The compiler's run-time libraries are the system's own: newer glibcs run
# what was built for older ones. The C++ headers appear where the compiler
# looks for them in a system whose root is the sysroot.
finish_glibc() {
	local file path from=/usr/include
	[ -z "$cross" ] || from=/usr/$host/include
	for file in libgcc_s.so.1 libstdc++.so.6 libatomic.so.1 libgomp.so.1; do
		path=$(${cc##*ccache } -print-file-name="$file")
		[ "$path" = "$file" ] ||
			ln -s "$(realpath -s "$path")" "$tree/lib/$file" || return
	done
	ln -s . "$tree/usr" && ln -s $from/c++ "$tree/include/c++" ||
		return
	if [ -d "$from/$multiarch/c++" ]; then
		mkdir -p "$tree/include/$multiarch" &&
		ln -s "$from/$multiarch/c++" "$tree/include/$multiarch/c++" ||
			return
	fi
	template gcc-glibc "$tree/bin/tlabi-gcc" &&
	template gcc-glibc "$tree/bin/tlabi-g++"
}
