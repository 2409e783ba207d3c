// SPDX-License-Identifier: MIT
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** A pool of threads that makes garbage, and a child process. */
public class Workers {
	static long work() {
		long total = 0;
		byte[][] blocks = new byte[64][];
		for (int i = 0; i < 20000; i++) {
			blocks[i & 63] = new byte[1024];
			total += i;
		}
		return total;
	}

	public static void main(String[] arguments) throws Exception {
		ExecutorService pool = Executors.newFixedThreadPool(8);
		List<Callable<Long>> tasks = new ArrayList<>();
		for (int i = 0; i < 64; i++)
			tasks.add(Workers::work);
		long total = 0;
		for (Future<Long> done : pool.invokeAll(tasks))
			total += done.get();
		System.gc();
		Process child = new ProcessBuilder("/bin/echo", "child").start();
		String said = new String(child.getInputStream().readAllBytes());
		String hold = System.getenv().getOrDefault("HOLD", "0");
		Thread.sleep(Long.parseLong(hold));
		pool.shutdown();
		if (total != 64 * 199990000L || !said.equals("child\n"))
			throw new AssertionError(total + " " + said);
		System.out.println("workers ok");
	}
}
