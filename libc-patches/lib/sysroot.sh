# shellcheck shell=bash
# What a sysroot has beside the libc: kernel headers, wrappers, a record.

# kernel_headers DIR: those of the machine that the libc is for, as the kernel
# exports them.
kernel_headers() {
	rm -rf "$1"
	mkdir -p "$1" &&
	header_directories | xargs -I @ cp -RL @ "$1" >> "$log" 2>&1
}

# link_kernel_headers DIR: a package's are those of another package, which has
# its own updates. The libc has installed a file or two in one of the folders.
link_kernel_headers() {
	local dir file
	header_directories | while read -r dir; do
		[ -d "$1/${dir##*/}" ] || {
			ln -s "$dir" "$1" || exit
			continue
		}
		for file in "$dir"/*; do
			[ -e "$1/${dir##*/}/${file##*/}" ] ||
				ln -s "$file" "$1/${dir##*/}" || exit
		done
	done
}

header_directories() {
	local dir multiarch from=/usr/include
	[ -z "$cross" ] || from=/usr/$host/include
	multiarch=$(${cc##*ccache } -print-multiarch 2> /dev/null)
	for dir in linux asm-generic mtd rdma misc scsi sound video xen drm asm; do
		if [ -n "$multiarch" ] && [ -d "$from/$multiarch/$dir" ]; then
			echo "$from/$multiarch/$dir"
		elif [ -d "$from/$dir" ]; then
			echo "$from/$dir"
		fi
	done
}

# What they are, whatever package they came with.
header_digest() {
	header_directories | xargs -I @ find -L @ -type f | LC_ALL=C sort |
		xargs cat | digest
}

header_release() {
	awk '$2 == "LINUX_VERSION_CODE" {
		printf "%d.%d.%d", $3 / 65536, $3 / 256 % 256, $3 % 256
	}' "$(header_directories | head -n 1)/version.h" 2> /dev/null
}

# The loader that the installed libc has, as programs will name it.
find_loader() {
	local file
	for file in "$tree"/lib/ld-musl-*.so.1 "$tree"/lib/ld-linux*.so.[0-9] \
		"$tree"/lib/ld[0-9]*.so.[0-9] "$tree"/lib/ld.so.[0-9]; do
		[ -e "$file" ] || [ -L "$file" ] || continue
		echo "$prefix/lib/${file##*/}"
		return
	done
	echo 'no loader was installed' >&2
	return 1
}

# template NAME DESTINATION [MODE]: a line of capitals between two @ stands for
# the wrapper of that name.
template() {
	local dir=$here/lib/wrappers headers=-isysroot\ @PREFIX@
	# A cross compiler looks into those of its own libc before a system's.
	[ -z "$cross" ] || headers=-specs=@PREFIX@/lib/tlabi-gcc.specs
	sed -e "/^@IN_PLACE@$/{r $dir/in-place" -e d -e '}' \
		-e "/^@LOADER_CACHE@$/{${cross:+d;}r $dir/loader-cache" \
		-e d -e '}' \
		"$dir/$1" |
	sed -e "s,@GCC_HEADERS@,$headers," \
		-e "s,@PREFIX@,$prefix,g" -e "s,@LOADER@,$loader,g" \
		-e "s,@LOADER_NAME@,${loader##*/},g" -e "s,@FAMILY@,$libc,g" \
		-e "s,@LIBC@,$name,g" -e "s,@CC@,${cc##*ccache },g" \
		-e "s,@CXX@,$(cxx_of "${cc##*ccache }"),g" \
		-e "s,@CXX_VERSION@,$cxx_version,g" \
		-e "s,@CXX_TARGET@,$cxx_target,g" \
		-e "s,@LIBRARIES@,$libraries,g" \
		-e "s,@CROSS_LIBRARIES@,${cross:+/usr/$host/lib},g" \
		-e "s,@MULTIARCH@,$multiarch,g" \
		-e "s, @ABI_FLAGS@,$abi_flags,g" \
		-e "${cross:+/-idirafter \/usr\/include/d}" > "$2" &&
		chmod "${3:-755}" "$2"
}

finish_sysroot() {
	local loader libraries multiarch cxx=none cxx_version cxx_target abi_flags=
	loader=$(find_loader) || return
	multiarch=$(${cc##*ccache } -print-multiarch 2> /dev/null)
	cxx_names
	mkdir -p "$tree/bin" "$tree/etc" "$tree/share/tlabi" &&
	furnish_"$libc" >> "$log" 2>&1 || return
	[ "$libc" != musl ] || phase_cxx || return
	[ "$cxx" = none ] || ln -s tlabi-gcc "$tree/bin/tlabi-g++" &&
	template run "$tree/bin/tlabi-run" || return
	cat > "$tree/share/tlabi/sysroot.txt" <<-END
	libc=$libc
	version=$version
	patched=$([ -n "$stock" ] && echo no || echo yes)
	patches=$(patches | wc -l)
	source=${tarball##*/}
	sha256=$sha
	fixes=${fixes##*/}
	fixes_sha256=$fixes_sha
	prefix=$prefix
	loader=$loader
	machine=$(${cc##*ccache } -dumpmachine)
	compiler=$(${cc##*ccache } --version | head -n 1)
	kernel_headers=$(header_release)
	c++=$cxx
	key=$sysroot_key
	END
}

# A program finds libraries here and nowhere else: the host's are another's.
furnish_musl() {
	libraries=${loader##*/} abi_flags=$(abi_flags)
	# The installed link is an absolute one; it must survive being moved.
	ln -sf libc.so "$tree/lib/$libraries" &&
	echo "$prefix/lib" > "$tree/etc/${libraries%.so.1}.path" &&
	unwind_helper &&
	template musl.specs "$tree/lib/tlabi-gcc.specs" 644 &&
	template ldd-musl "$tree/bin/ldd" &&
	template gcc-musl "$tree/bin/tlabi-gcc"
}

unwind_helper() {
	local object=$tree/lib/dl_find_object.o
	$cc -O2 -fPIC -nostdinc -isystem "$tree/include" \
		-c "$here/lib/dl_find_object.c" -o "$object" &&
	rm -f "$tree/lib/libtlabi_eh.a" &&
	"${cross:+$host-}ar" rc "$tree/lib/libtlabi_eh.a" "$object" && rm "$object"
}

# The C++ runtime is the system's own: newer glibcs run what was built for
# older ones.
furnish_glibc() {
	cxx=system
	libraries=$(cd "$tree/lib" && find . -maxdepth 1 -type f \
		-name '*.so.[0-9]*' -printf '%f\n' | sort | one_line)
	compiler_libraries && loader_cache &&
	{ [ -n "$cross" ] || locales; } &&
	sed -i "s,^RTLDLIST=.*,RTLDLIST=$loader," "$tree/bin/ldd" &&
	{ [ -z "$cross" ] || cross_specs; } &&
	template gcc-glibc "$tree/bin/tlabi-gcc"
}

cross_specs() {
	cxx_target=$(compiler -dumpmachine)
	template glibc-cross.specs "$tree/lib/tlabi-gcc.specs" 644
}

# The headers appear where the compiler looks for them in a system whose root
# is the sysroot.
compiler_libraries() {
	local file path from=/usr/include
	[ -z "$cross" ] || from=/usr/$host/include
	for file in libgcc_s.so.1 libstdc++.so.6 libatomic.so.1 libgomp.so.1; do
		path=$(${cc##*ccache } -print-file-name="$file")
		[ "$path" = "$file" ] ||
			ln -s "$(realpath -s "$path")" "$tree/lib/$file" || return
	done
	ln -s . "$tree/usr" && ln -s "$from/c++" "$tree/include/c++" ||
		return
	[ ! -d "$from/$multiarch/c++" ] || {
		mkdir -p "$tree/include/$multiarch" &&
		ln -s "$from/$multiarch/c++" \
			"$tree/include/$multiarch/c++"
	}
}

# C.UTF-8 is made here, the others are the system's, which newer glibcs read;
# an archive that locale-gen(8) makes later is found, too.
locales() {
	local dir locale=$tree/lib/locale
	mkdir -p "$locale" &&
	I18NPATH=$tree/share/i18n "$tree/lib/${loader##*/}" \
		--library-path "$tree/lib" "$tree/bin/localedef" \
		-i C -f UTF-8 "$locale/C.utf8" || return
	ln -s /usr/lib/locale/locale-archive "$locale/locale-archive" || return
	[ -z "$destdir" ] || return 0
	for dir in /usr/lib/locale/*/; do
		dir=${dir%/}
		[ ! -d "$dir" ] || [ -e "$locale/${dir##*/}" ] ||
			ln -s "$dir" "$locale" || return
	done
}

# The system's libraries behind the libc's own. The cache itself is made by
# refresh_cache once the sysroot is in its place, and later by the wrappers.
loader_cache() {
	local dir
	{
		echo "$prefix/lib"
		[ ! -e /etc/ld.so.conf ] || echo 'include /etc/ld.so.conf'
		for dir in $(system_directories); do
			[ ! -d "$dir" ] || echo "$dir"
		done
	} > "$tree/etc/ld.so.conf" && rm -f "$tree/etc/ld.so.cache"
}

# A sysroot without its cache works all the same: the wrappers make it.
refresh_cache() {
	"$prefix/sbin/ldconfig" -X >> "$log" 2>&1 || true
}
