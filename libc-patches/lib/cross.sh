# shellcheck shell=bash
# Which machine the libc is for, and that nothing of this one is taken for it.

# Those on which a thread has the line, each with the libcs that were run there.
known_hosts() {
	cat <<-END
	x86_64-linux-gnu glibc musl
	aarch64-linux-gnu glibc musl
	riscv64-linux-gnu glibc musl
	s390x-linux-gnu glibc musl
	powerpc64le-linux-gnu glibc musl
	arm-linux-gnueabihf glibc musl
	i686-linux-gnu glibc musl
	mips64el-linux-gnuabi64 glibc musl
	loongarch64-linux-gnu glibc musl
	END
}

# x86_64-pc-linux-gnu and x86_64-linux-gnu are the same machine.
machine_of() {
	${1##*ccache } -dumpmachine 2> /dev/null | sed 's/-[a-z]*-linux/-linux/'
}

# Is it this machine's kind? uname(1) has words of its own for some.
is_native() {
	case $(uname -m)-$host in
	"${host%%-*}-$host" | ppc64le-powerpc64le-* | armv*-arm-*) ;;
	*) return 1 ;;
	esac
}

# Sets host, cc, and cross if that is not this machine's kind.
settle_host() {
	local is
	if [ -n "$host" ] && ! known_hosts | grep -q "^$host "; then
		die 2 "unknown --host $host;" \
			"known are $(known_hosts | cut -d ' ' -f 1 | one_line)"
	fi
	if [ -z "$cc" ]; then
		cc=gcc
		[ -z "$host" ] || [ "$(machine_of gcc)" = "$host" ] ||
			cc=$host-gcc
	fi
	# It becomes part of the wrappers, which are the shell's and by sed.
	case $cc in
	*[!A-Za-z0-9_./+@=~:\ -]*)
		die 2 "CC has characters that the wrappers cannot hold: $cc;" \
			"put it into a script, and set CC to that" ;;
	esac
	is=$(machine_of "$cc")
	[ -z "$host" ] || [ -z "$is" ] || [ "$is" = "$host" ] ||
		die 2 "$cc builds for $is, not for $host; correct CC or --host"
	host=${host:-$is}
	[ -z "$host" ] || is_native || cross=yes
	[ -z "$cross" ] || [ -n "$stock" ] ||
		known_hosts | grep "^$host " | grep -qw "${request%%-*}" ||
		die 2 "no patched ${request%%-*} for $host; there is" \
			"$(known_hosts | sed -n "s/^$host //p")"
}

# Debian's word for it, as in the names of packages.
debian_name() {
	case $host in
	aarch64-*) echo arm64 ;;
	arm-*) echo armhf ;;
	i686-*) echo i386 ;;
	loongarch64-*) echo loong64 ;;
	powerpc64le-*) echo ppc64el ;;
	x86_64-*) echo amd64 ;;
	*) echo "${host%%-*}" ;;
	esac
}
