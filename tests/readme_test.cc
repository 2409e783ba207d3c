/* SPDX-License-Identifier: MIT */
/*
 * What README.md says, typed in an empty root, in its order: the commands are
 * taken from it.  A block "```sh root" is for root, one "```sh user" for an
 * ordinary user without sudo, and "```c" is prog.c.  Then Debian's packages, of
 * librseq and of a libc: built in an empty root, and used, removed and purged in
 * another.
 *
 * RSEQ_README  yes: run it, some minutes, some hundred megabytes to download;
 *              full: with the whole of ./bootstrap check in the empty root
 * RSEQ_README_SUITE  of Debian, default: bookworm
 * RSEQ_README_GLIBC  the packages of glibc, too: a directory in which
 *                    build-libc --deb has put them, or yes: build them in the
 *                    empty root, a quarter of an hour
 */
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <regex>

#include <unistd.h>

#include "harness.hh"

using namespace harness;

namespace {

using std::string;

string env_or(const char *name, const string &otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

/* ---- what README.md says ---- */

struct fence {
	string kind, text;
};

std::vector<fence> fences()
{
	std::vector<fence> all;
	std::ifstream in(source_dir() / "README.md");
	bool inside = false;

	for (string line; std::getline(in, line);) {
		if (!line.starts_with("```")) {
			if (inside)
				all.back().text += line + "\n";
			continue;
		}
		inside = !inside;
		if (inside)
			all.push_back({ line.substr(3), "" });
	}
	return all;
}

/* The blocks of commands for who, in their order. */
strings commands_of(const string &who)
{
	strings found;

	for (const fence &f : fences())
		if (f.kind.starts_with("sh ") && f.kind.find(who) != f.kind.npos)
			found.push_back(f.text);
	return found;
}

TEST(Readme, IsShortAndEachBlockIsForSomeone)
{
	std::ifstream in(source_dir() / "README.md");
	int lines = 0, programs = 0;

	for (string line; std::getline(in, line);)
		++lines;
	EXPECT_LE(lines, 120);
	printf("README.md: %d lines\n", lines);
	for (const fence &f : fences()) {
		programs += f.kind == "c";
		EXPECT_TRUE(std::regex_match(f.kind,
			std::regex("c|sh (root|user|root user)"))) << f.kind;
	}
	EXPECT_EQ(programs, 1);
	EXPECT_GE(commands_of("root").size(), 3u);
	EXPECT_GE(commands_of("user").size(), 2u);
}

/* ---- an empty root ---- */

class Walk : public testing::Test {
protected:
	static inline fs::path root;
	static inline string missing;

	static void SetUpTestSuite()
	{
		const string wanted = env_or("RSEQ_README", "");

		if (wanted.empty() || wanted == "no")
			missing = "RSEQ_README=yes runs it: minutes, and "
				  "hundreds of megabytes to download";
		else if (geteuid() != 0)
			missing = "only root can make a root";
		else if (!have("debootstrap") || !have("unshare"))
			missing = "debootstrap or unshare is not installed";
		else
			make_root();
	}

	static void TearDownTestSuite()
	{
		if (!root.empty())
			fs::remove_all(root);
	}

	void SetUp() override
	{
		if (!missing.empty())
			GTEST_SKIP() << missing;
	}

	/* The machine's own mirror, as build-libc finds it. */
	static string mirror(const string &suite)
	{
		const outcome got = sh("here=" +
			(source_dir() / "libc-patches").string() +
			" bash -c '. $here/lib/fetch.sh; own_mirrors " + suite +
			"' | sed -n 's/^URIs: //p' | head -n 1");
		return got.out.substr(0, got.out.find('\n'));
	}

	static void make_root()
	{
		const string suite = env_or("RSEQ_README_SUITE", "bookworm");
		const fs::path kept = tlabi_build() / "cache" /
			("root-" + suite + ".tar");
		const string from = mirror(suite);

		if (from.empty()) {
			missing = "no mirror of Debian's in apt's sources";
			return;
		}
		root = scratch_dir() / "readme-root";
		const string dir = root.string();
		outcome got = sh("rm -rf " + dir + " && mkdir -p " + dir +
			" " + kept.parent_path().string() + " && { tar -C " +
			dir + " -xf " + kept.string() + " 2>/dev/null || { "
			"rm -rf " + dir + " && debootstrap --variant=minbase " +
			suite + " " + dir + " " + from + " && "
			"rm -f " + dir + "/var/cache/apt/archives/*.deb && "
			"tar -C " + dir + " -cf " + kept.string() + ".tmp . && "
			"mv " + kept.string() + ".tmp " + kept.string() +
			"; }; }", {{}, std::chrono::seconds(600)});
		if (!got.ok()) {
			missing = "debootstrap made no root: " + got.out;
			return;
		}
		/* How the machine reaches its mirror holds in the root, too. */
		got = sh("cd " + dir + " && cp /etc/resolv.conf /etc/hosts etc/"
			" && apt-config dump | grep -E '^Acquire::"
			"(http|https|Check-Valid-Until|Check-Date)\\b.* \"..*\"'"
			" >etc/apt/apt.conf.d/99machine; useradd -R " + dir +
			" -m -s /bin/sh reader");
		ASSERT_TRUE(got.ok()) << got;
	}

	/* A clone for that user, without what is not under version control. */
	static string copy_for(const string &user)
	{
		const string home = home_of(user) + "/librseq";
		const string there = root.string() + home;
		const string top = source_dir().string();
		const outcome got = sh("mkdir -p " + there + " && cd " + top +
			" && if git rev-parse 2>/dev/null; then git ls-files -z "
			"| tar --null -T - -c; else tar -c --exclude=./build "
			".; fi | tar -C " + there + " -x --no-same-owner && "
			"test -x " + there + "/bootstrap && chroot " +
			root.string() + " chown -R " + user + ": " + home);

		EXPECT_TRUE(got.ok()) << got;
		for (const fence &f : fences())
			if (f.kind == "c")
				std::ofstream(there + "/prog.c") << f.text;
		return home;
	}

	static string home_of(const string &user)
	{
		return user == "root" ? "/root" : "/home/" + user;
	}

	/* A script as that user, in his copy, with nothing from outside. */
	static outcome in_root(const string &user, const string &script,
			       const string &unshare = "")
	{
		const string dir = root.string();

		std::ofstream(root / "tmp/script") << "set -e\ncd ~/librseq\n"
						   << script;
		return sh("exec unshare -m --pid --fork --kill-child " +
			unshare +
			" sh -c 'mount -t proc proc " + dir + "/proc && "
			"mount --rbind /dev " + dir + "/dev && exec env -i "
			"HOME=" + home_of(user) + " TERM=dumb LANG=C.UTF-8 "
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
			"/usr/bin:/sbin:/bin chroot --userspec=" + user + ": " +
			dir + " sh /tmp/script'",
			{{}, std::chrono::seconds(3600)});
	}

	static void expect(const outcome &got, const string &what)
	{
		const string &out = got.out;

		EXPECT_TRUE(got.ok()) << "README.md, " << what << "\n"
			<< out.substr(out.size() < 4000 ? 0 :
				      out.size() - 4000);
	}

	/* Bytes that apt says it has fetched, in the logs of the copy. */
	static double fetched(const fs::path &copy)
	{
		static const std::regex line(
			"Fetched ([\\d,.]+) ([kMG]?)B in ");
		const string units = " kMG";
		double bytes = 0;

		for (const auto &log :
		     fs::directory_iterator(copy / "build/log")) {
			const string text = content(log.path());
			for (std::sregex_iterator i(text.begin(), text.end(),
						    line), end;
			     i != end; ++i) {
				string number = (*i)[1];
				std::erase(number, ',');
				const string unit = (*i)[2];
				bytes += std::stod(number) * std::pow(1000,
					unit.empty() ? 0 : units.find(unit));
			}
		}
		return bytes;
	}
};

/* Of a program that counts to 1000 and says where it is. */
bool counted(const outcome &got)
{
	return std::regex_search(got.out,
		std::regex("1000 hits, now on cpu \\d+\n"));
}

string without_sudo(string text)
{
	return std::regex_replace(text, std::regex("\\bsudo "), "");
}

/* From here on in the order of the tests: each finds what those before left. */

/* What is missing is named, and nothing is half done. */
TEST_F(Walk, AUserWithoutToolsIsToldWhatIsMissing)
{
	const string copy = copy_for("reader"), own = copy_for("root");
	outcome got = in_root("reader", "./bootstrap");

	EXPECT_NE(got.code, 0) << got;
	EXPECT_TRUE(has(got.out, "missing tools; as root: apt-get install "))
		<< got;
	EXPECT_TRUE(has(got.out, " g++ ")) << got;
	EXPECT_FALSE(fs::exists(root.string() + copy + "/configure"));

	got = in_root("root", "./bootstrap", "-n");
	EXPECT_NE(got.code, 0) << got;
	EXPECT_TRUE(has(got.out, "apt-get could not install ")) << got;
	EXPECT_TRUE(has(got.out, "Failed to fetch ") ||
		    has(got.out, "Unable to locate package")) << got;

	std::ofstream(root / "var/lib/dpkg/updates/0000") << "";
	got = in_root("root", "./bootstrap");
	fs::remove(root / "var/lib/dpkg/updates/0000");
	EXPECT_NE(got.code, 0) << got;
	EXPECT_TRUE(has(got.out, "dpkg was interrupted")) << got;
	EXPECT_TRUE(has(got.out, "dpkg --configure -a")) << got;
	EXPECT_FALSE(fs::exists(root.string() + own + "/configure"));
}

TEST_F(Walk, AsRoot)
{
	const string copy = home_of("root") + "/librseq";
	const auto start = std::chrono::steady_clock::now();
	bool demo = false;

	for (string block : commands_of("root")) {
		/* One at a time: the demo is timed, the check is long. */
		if (has(block, "./bootstrap demo")) {
			demo = true;
			const outcome got = in_root("root", "./bootstrap demo");
			const std::chrono::duration<double> taken =
				std::chrono::steady_clock::now() - start;
			expect(got, "./bootstrap demo");
			EXPECT_TRUE(has(got.out, "all counts are equal to the "
						 "sequential count")) << got;
			printf("from an empty root to the demo's output: %.0f "
			       "s, %.1f MB downloaded\n", taken.count(),
			       fetched(root.string() + copy) / 1e6);
			EXPECT_GT(fetched(root.string() + copy), 1e6);
			/* The tools and configure, not all that make does. */
			const outcome check = in_root("root",
				env_or("RSEQ_README", "") == "full" ?
				"./bootstrap check" :
				"./bootstrap check need-gtest all");
			expect(check, "./bootstrap check");
			/* The reader's; Debian's smallest root has none. */
			expect(in_root("root", "apt-get -qq install -y "
				"--no-install-recommends man-db >/dev/null"),
			       "man-db");
			in_root("root", "ldconfig");
			continue;
		}
		const outcome got = in_root("root", without_sudo(block));
		expect(got, block);
		EXPECT_EQ(counted(got), has(block, "prog.c")) << got;
		EXPECT_EQ(has(got.out, "restartable sequences"),
			  has(block, "man 7 rseq")) << got;
	}
	EXPECT_TRUE(demo);
	/* An alias; the tools; what pkg-config says of the version. */
	expect(in_root("root", "man 3 rseq_counter_add | grep rseq_counter\n"
		"rseq-info && rseq-info --json && rseq-info --stats ./a.out\n"
		"test \"$(pkg-config --modversion librseq)\" = "
		"\"$(rseq-info --version | sed 's/.* //')\""), "rseq-info");
	const outcome gone = in_root("root", "make uninstall >/dev/null\n"
		"! find /usr/local -name '*rseq*' | grep .");
	expect(gone, "make uninstall");
}

TEST_F(Walk, AsAUserWithAPrefixOfHisOwn)
{
	for (const string &block : commands_of("user")) {
		const outcome got = in_root("reader", block);
		expect(got, block);
		EXPECT_TRUE(counted(got)) << got;
	}
	const outcome got = in_root("reader",
		"man -M ~/.local/share/man -w 3 rseq_counter_add\n"
		"make uninstall >/dev/null\n! find ~/.local 2>/dev/null | grep .");
	expect(got, "make uninstall");
}

/* Not where it was unpacked last time, nor where make could not follow. */
TEST_F(Walk, AFolderWithASpaceIsRefusedWithAReason)
{
	const outcome got = in_root("reader", "cp -r ~/librseq '/tmp/a b'\n"
		"cd '/tmp/a b' && rm -rf build && ./bootstrap");

	EXPECT_NE(got.code, 0) << got;
	EXPECT_TRUE(has(got.out, "'/tmp/a b/build': move the tree")) << got;
}

TEST_F(Walk, AnOldConfigureInTheTreeIsNamed)
{
	const outcome got = in_root("reader", "rm -rf build\n"
		"touch config.status && ! ./bootstrap && rm config.status");

	EXPECT_TRUE(got.ok()) << got;
	EXPECT_TRUE(has(got.out, "configured in the source tree itself"))
		<< got;
}

/* It is built elsewhere, unless configure has to be made. */
TEST_F(Walk, ATreeThatCannotBeWrittenToIsBuiltElsewhere)
{
	const string ro = "mount --bind . . && mount -o remount,ro,bind . && "
		"cd ~/librseq\nexport TLABI_BUILD=/tmp/elsewhere\n";
	outcome got = in_root("root", ro +
		"./bootstrap && make -s");
	EXPECT_TRUE(got.ok()) << got;

	got = in_root("root", "rm configure\n" + ro + "./bootstrap");
	EXPECT_NE(got.code, 0) << got;
	EXPECT_TRUE(has(got.out, "cannot write configure to ")) << got;

	got = in_root("root", ro + "unset TLABI_BUILD\n./bootstrap");
	EXPECT_NE(got.code, 0) << got;
	EXPECT_TRUE(has(got.out, "set TLABI_BUILD to another place")) << got;
}

class Packages : public Walk {
protected:
	static inline const string apt =
		"export DEBIAN_FRONTEND=noninteractive\n"
		"apt-get -qq -o Dpkg::Use-Pty=0 ";
	static inline const string install = apt +
		"install -y --no-install-recommends ";

	static bool on_bookworm()
	{
		return env_or("RSEQ_README_SUITE", "bookworm") == "bookworm";
	}

	static fs::path kept(const string &name)
	{
		return scratch_dir() / name;
	}

	/* The packages that are in that directory of the root. */
	static void keep(const fs::path &from, const string &name)
	{
		fs::remove_all(kept(name));
		fs::create_directories(kept(name));
		ASSERT_TRUE(fs::exists(from)) << "nothing was built";
		for (const auto &e : fs::directory_iterator(from))
			if (e.path().extension() == ".deb" &&
			    !has(e.path().filename(), "dbgsym")) {
				fs::copy(e.path(), kept(name));
				printf("%s: %ju bytes\n",
				       e.path().filename().c_str(),
				       static_cast<uintmax_t>(e.file_size()));
			}
	}

	static void build_libc(const string &libc, const string &more)
	{
		const string family = libc.substr(0, libc.find('-'));

		copy_for("root");
		expect(in_root("root", "./bootstrap\n" + install +
			"build-essential debhelper lintian " + more +
			" >/dev/null\nlibc-patches/build-libc --deb " + libc +
			" ~/" + family + "\nlintian --allow-root --fail-on "
			"error,warning ~/" + family + "/*.changes"),
		       "build-libc --deb");
		keep(root / "root" / family, family + "-packages");
	}

	/*
	 * Installed, used and purged, where that package of Debian's is.
	 * A program of their compiler has that loader.
	 */
	static void stand_beside(const string &family, const string &debians,
				 const string &theirs, const string &loader,
				 const string &uses)
	{
		const string ours = family + "-tlabi " + family + "-tlabi-dev",
			everything = "find /etc /usr /var/lib/misc | sort >~/",
			packages = family + "-packages";

		ASSERT_TRUE(fs::exists(kept(packages))) << "nothing was built";
		copy_for("root");
		fs::copy(kept(packages), root / "root" / packages);
		expect(in_root("root", apt + "update\n" + install + debians +
			" g++ linux-libc-dev >/dev/null\n" + everything +
			"before\n" + install + "~/" + packages +
			"/*.deb >/dev/null"), "install");
		/* Nothing in a place that is another's. */
		expect(in_root("root", "! dpkg -L " + ours + " | while read -r "
			"file\ndo [ ! -f \"$file\" ] || echo \"$file\"; done | "
			"grep -vE '^/usr/(lib/[^/]*/tlabi/" + family + "/|bin/" +
			family + "-tlabi-|share/(doc|lintian/overrides|man/man1"
			")/" + family + "-tlabi)'"), "dpkg -L");
		const outcome used = in_root("root",
			"sed \"s/@LIBC@/" + family + "/g; s/@GXX@/g++-"
			"$(gcc -dumpversion)/g\" "
			"libc-patches/debian/tests/line >~/line.sh\n"
			"export AUTOPKGTEST_TMP=$HOME/used\nrm -rf ~/used\n"
			"mkdir ~/used\nsh ~/line.sh\ncd ~/used\n" + family +
			"-tlabi-gcc -static -o static line.c\n"
			"echo 'int main(void) { return 0; }' >theirs.c\n" +
			theirs + " -o theirs theirs.c\n"
			"readelf -l theirs | grep 'interpreter: " + loader +
			"'\n" + uses);
		expect(used, "libc-patches/debian/tests/line");
		EXPECT_TRUE(std::regex_search(used.out,
			std::regex("line at 128: cpus \\d+ and \\d+\n")))
			<< used;

		/* What was built for it has lost its loader, others have not. */
		expect(in_root("root", apt + "remove -y " + ours +
			" >/dev/null\ncd ~/used\n./theirs\n./static\n"
			"! ./line"), "remove");
		expect(in_root("root", "dpkg --purge " + ours +
			" >/dev/null\n" + everything + "after\n"
			"! { comm -13 ~/before ~/after\n"
			"find /var/lib/dpkg/info /var/lib/dpkg/triggers -name "
			"'*tlabi*'; } | grep ."), "purge");
	}
};

/* By one command, from the distribution's source with its fixes. */
TEST_F(Packages, OfMuslAreBuilt)
{
	build_libc(on_bookworm() ? "musl-1.2.3" : "musl-1.2.5",
		   "gcc-$(gcc -dumpversion)-source");
}

TEST_F(Packages, OfGlibcAreBuilt)
{
	const string given = env_or("RSEQ_README_GLIBC", "");

	if (given == "yes")
		build_libc(on_bookworm() ? "glibc-2.36" : "glibc-2.41",
			   "bison gawk gettext python3");
	else if (given.empty())
		GTEST_SKIP() << "RSEQ_README_GLIBC=yes builds them, or takes "
				"those in a directory that it names";
	else
		keep(given, "glibc-packages");
}

TEST_F(Packages, AreBuiltUsedAndPurged)
{
	copy_for("root");
	expect(in_root("root", "./bootstrap && make -s dist >/tmp/dist 2>&1 || "
		"{ tail /tmp/dist; exit 1; }\n" +
		apt + "build-dep -y ./ >/dev/null\n" +
		install + "lintian >/dev/null\n"
		"tests/package build/host/librseq-*.tar.gz debian ~/packages"),
	       "tests/package");
	keep(root / "root/packages", "packages");

	/* Another root, which has not seen how they were built. */
	make_root();
	ASSERT_TRUE(missing.empty()) << missing;
	copy_for("root");
	fs::copy(kept("packages"), root / "root/packages");
	const outcome used = in_root("root", apt + "update\n" + install +
		"~/packages/*.deb gcc libc6-dev pkg-config >/dev/null\n"
		"debian/tests/ten-lines");
	expect(used, "debian/tests/ten-lines");
	EXPECT_TRUE(counted(used)) << used;
	/* The C library and the kernel have headers of that name. */
	const string ours = "librseq1 librseq-dev librseq-doc rseq-tools";
	/* apt does not know them any more, once they are gone: dpkg does. */
	for (const string &how : { apt + "remove -y ", string("dpkg --purge ") })
		expect(in_root("root", how + ours + " >/dev/null"), how);
	expect(in_root("root", "! find /etc /usr /var /opt -name '*rseq*' "
		"! -path '/usr/include/*/rseq.h' ! -path '/var/lib/apt/*' | "
		"grep ."), "purge");
}

/* Beside Debian's own. */
TEST_F(Packages, OfMuslStandBesideTheSystems)
{
	stand_beside("musl", "musl-tools", "musl-gcc", "/lib/ld-musl-", "");
}

/* With the system's libraries, and those that come later; and its locales. */
TEST_F(Packages, OfGlibcStandBesideTheSystems)
{
	if (env_or("RSEQ_README_GLIBC", "").empty())
		GTEST_SKIP() << "no packages: see RSEQ_README_GLIBC";
	stand_beside("glibc", "zlib1g-dev", "gcc", "/lib64/ld-linux-",
		"there=$(ls -d /usr/lib/*/tlabi/glibc)\n"
		"$there/bin/ldd line | grep \"libc.so.6 => $there/lib/\"\n"
		"test \"$(LC_ALL=C.UTF-8 $there/bin/locale charmap)\" = UTF-8\n"
		"$there/bin/locale -a | grep -i '^C.utf-*8$'\n"
		"echo '#include <zlib.h>\nint main(void) "
		"{ return !zlibVersion(); }' >z.c\n"
		"glibc-tlabi-gcc -o z z.c -lz\n./z\n"
		"$there/sbin/ldconfig -p | grep -q libz.so.1\n"
		"if $there/sbin/ldconfig -p | grep libpopt; then exit 1; fi\n" +
		install + "libpopt0 >/dev/null\n"
		"$there/sbin/ldconfig -p | grep libpopt.so.0\n" +
		apt + "purge -y libpopt0 >/dev/null\n");
}

} // namespace
