/* SPDX-License-Identifier: MIT */
/*
 * Count the words of a text in parallel: threads take pieces of it, find each
 * word's number in a table they share, and add to that counter of a set that
 * grows as words come up.  Prints the commonest.
 *
 *	c++ -std=c++20 -o word_count word_count.cc -lrseq
 *	./word_count FILE
 */
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include <rseq/structures.hpp>

namespace {

librseq::counters words;
std::unordered_map<std::string, long> numbers;
std::shared_mutex numbers_lock;

/* A thread asks for a word once; then it knows the number. */
long number_of(const std::string &word)
{
	{
		std::shared_lock lock(numbers_lock);
		const auto found = numbers.find(word);
		if (found != numbers.end())
			return found->second;
	}
	std::unique_lock lock(numbers_lock);
	const auto [at, added] = numbers.try_emplace(word, 0);
	if (added)
		at->second = words.make(word.c_str());
	return at->second;
}

bool in_word(char c)
{
	return std::isalpha(static_cast<unsigned char>(c));
}

void count(std::string_view text)
{
	std::unordered_map<std::string, long> known;

	for (size_t i = 0; i < text.size();) {
		std::string word;
		for (; i < text.size() && in_word(text[i]); ++i)
			word += static_cast<char>(std::tolower(
				static_cast<unsigned char>(text[i])));
		if (word.empty()) {
			++i;
			continue;
		}
		const auto [at, added] = known.try_emplace(word, 0);
		if (added)
			at->second = number_of(word);
		if (at->second >= 0)
			words.add(static_cast<size_t>(at->second));
	}
}

}

int main(int argc, char **argv)
{
	std::ifstream file(argc > 1 ? argv[1] :
			   "/usr/share/common-licenses/GPL-3");
	const std::string text{std::istreambuf_iterator<char>(file), {}};
	const size_t threads = 2 * std::thread::hardware_concurrency();
	std::vector<std::thread> all;

	for (size_t i = 0, begin = 0; i < threads; ++i) {
		size_t end = i + 1 == threads ? text.size() :
			std::max(begin, text.size() * (i + 1) / threads);
		while (end < text.size() && in_word(text[end]))
			++end;
		all.emplace_back(count, std::string_view(text).substr(
			begin, end - begin));
		begin = end;
	}
	for (std::thread &t : all)
		t.join();

	std::vector<std::pair<long, std::string>> found;
	long sum = 0;
	for (const auto &[word, n] : numbers) {
		found.emplace_back(words.sum(static_cast<size_t>(n)), word);
		sum += found.back().first;
	}
	std::sort(found.rbegin(), found.rend());
	std::printf("words=%ld\ndifferent=%zu\n", sum, found.size());
	for (size_t i = 0; i < found.size() && i < 10; ++i)
		std::printf("%s=%ld\n", found[i].second.c_str(),
			    found[i].first);
	return 0;
}
