// An exception through the C++ runtime, in another thread.
#include <iostream>
#include <stdexcept>
#include <thread>

int main()
{
	std::thread t([] {
		try {
			throw std::runtime_error("caught");
		} catch (const std::exception &e) {
			std::cout << e.what() << std::endl;
		}
	});
	t.join();
}
