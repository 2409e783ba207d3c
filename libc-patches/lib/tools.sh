# shellcheck shell=bash
# What must be on the machine before anything starts.

# need TOOL PACKAGE: notes a tool that is missing, and what brings it.
need() {
	command -v "$1" > /dev/null && return
	missing+=" $1"
	case " $packages " in *" $2 "*) ;; *) packages+=" $2" ;; esac
}

need_tools() {
	local missing='' packages='' word
	for word in $cc; do
		case $word in
		-* | *=*) ;;
		*ccache) need "$word" ccache ;;
		*) need "$word" "gcc${cross:+-$host}" ;;
		esac
	done
	need "${cross:+$host-}as" "binutils${cross:+-$host}"
	need "${cross:+$host-}ld" "binutils${cross:+-$host}"
	need "${cross:+$host-}ar" "binutils${cross:+-$host}"
	need make make
	need patch patch
	need tar tar
	need gzip gzip
	need xz xz-utils
	need sed sed
	need awk gawk
	need find findutils
	need flock util-linux
	need setsid util-linux
	need sha256sum coreutils
	if [ "${libc:-}" = glibc ]; then
		need bison bison
		need gawk gawk
		need python3 python3
		need g++ g++
	fi
	if [ "$action" = deb ]; then
		need dpkg-buildpackage build-essential
		need dh debhelper
	fi
	if [ -z "$cross" ]; then
		[ -d /usr/include/linux ] || {
			missing+=' /usr/include/linux'
			packages+=' linux-libc-dev'
		}
	elif [ ! -d "/usr/$host/include/asm" ]; then
		missing+=" /usr/$host/include/asm"
		packages+=" linux-libc-dev-$(debian_name)-cross"
	fi
	[ -z "$missing" ] || die 3 "missing:$missing; $(how_to_install)"
	[ "${libc:-}" != glibc ] || need_compiler
}

# What glibc's configure would refuse, later and in fewer words.
need_compiler() {
	local gcc=6.2 clang=''
	not_newer "$version" 2.42 || gcc=12.1 clang=18
	compiler_is_new "$gcc" "$clang" || die 3 "$libc-$version cannot be" \
		"built with $cc ($($cc --version 2> /dev/null | head -n 1)):" \
		"it needs gcc $gcc${clang:+ or clang $clang} or newer; set CC"
}

compiler_is_new() {
	local is
	is=$(echo '__clang_major__ __GNUC__ __GNUC_MINOR__' |
		$cc -E -P -xc - 2> /dev/null) || return 0
	case $is in
	__clang_major__*)
		is=${is#* }
		not_newer "$1" "${is/ /.}" ;;
	*) [ -n "$2" ] && not_newer "$2" "${is%% *}" ;;
	esac
}

how_to_install() {
	if command -v apt-get > /dev/null; then
		echo "apt-get install$packages"
	elif command -v dnf > /dev/null; then
		echo "dnf install$(names linux-libc-dev=kernel-headers \
			xz-utils=xz g++=gcc-c++)"
	elif command -v pacman > /dev/null; then
		echo "pacman -S$(names linux-libc-dev=linux-api-headers \
			xz-utils=xz g++=gcc)"
	elif command -v apk > /dev/null; then
		echo "apk add$(names linux-libc-dev=linux-headers xz-utils=xz)"
	else
		echo "install$packages"
	fi
}

# names DEBIAN=HERE...: the packages under the names that they have here.
names() {
	local all=$packages pair
	for pair; do
		all=" $all "
		all=${all/ "${pair%=*}" / "${pair#*=}" }
	done
	echo " ${all# }"
}
