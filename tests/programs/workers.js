// SPDX-License-Identifier: MIT
// Worker threads, a child, the program itself as a child, names and hashes.
const { Worker, isMainThread, parentPort } = require("worker_threads");
const { execFileSync } = require("child_process");
const crypto = require("crypto");
const zlib = require("zlib");

function sum() {
	let total = 0;
	for (let i = 0; i < 2e6; i++)
		total += i % 7;
	return total;
}

function check(what, is, should) {
	if (is === should)
		return;
	console.log(`${what}: ${is}, expected ${should}`);
	process.exit(1);
}

async function main() {
	const workers = Array.from({ length: 4 }, () => new Worker(__filename));
	const sums = await Promise.all(workers.map(
		w => new Promise(done => w.once("message", done))));
	for (const s of sums)
		check("sum", s, sum());
	await new Promise(done => setTimeout(done, +process.env.HOLD || 0));
	check("gunzip", zlib.gunzipSync(zlib.gzipSync(
		Buffer.alloc(100000, 7))).length, 100000);
	check("pbkdf2", crypto.pbkdf2Sync("a", "b", 1000, 16, "sha256").length,
		16);
	check("child", execFileSync("/bin/echo", ["child"]).toString(),
		"child\n");
	const own = execFileSync(process.execPath, ["-e",
		"console.log(6 * 7)"]).toString().trim();
	check("its own program", own, "42");
	await require("dns").promises.lookup("localhost");
	console.log("workers ok");
	process.exit(0);
}

if (isMainThread)
	main();
else
	setTimeout(() => parentPort.postMessage(sum()), 0),
	setInterval(() => {}, 1000);
