// What the C++ library does with a small program: streams and their formats, containers, algorithms, text, and standard input.
#include <algorithm>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

struct shape {
    virtual ~shape() = default;
    virtual double area() const = 0;
};
struct square : shape {
    explicit square(double side) : side(side) {}
    double area() const override { return side * side; }
    double side;
};
struct disc : shape {
    explicit disc(double radius) : radius(radius) {}
    double area() const override { return 3.141592653589793 * radius * radius; }
    double radius;
};

int main()
{
    std::vector<std::unique_ptr<shape>> shapes;
    for (int i = 1; i < 6; i++)
        i % 2 ? shapes.emplace_back(new square(i)) : shapes.emplace_back(new disc(i));
    double sum = std::accumulate(shapes.begin(), shapes.end(), 0.0, [](double s, const auto &one) { return s + one->area(); });
    std::cout << std::setprecision(12) << sum << ' ' << std::scientific << sum << ' ' << std::hex << std::showbase << 48879
              << std::dec << std::setw(12) << std::setfill('*') << std::left << "left" << '\n';
    std::map<std::string, std::size_t> words;
    std::string word;
    std::istringstream text("one two three two three three");
    while (text >> word)
        words[word]++;
    for (const auto &[name, count] : words)
        std::cout << name << '=' << count << ' ';
    std::unordered_map<long long, std::set<char>> table;
    for (std::string line; std::getline(std::cin, line);)
        table[static_cast<long long>(line.size()) % 17].insert(line.begin(), line.end());
    std::size_t letters = 0;
    for (const auto &entry : table)
        letters += entry.second.size();
    std::vector<int> numbers(1000);
    std::iota(numbers.begin(), numbers.end(), -500);
    std::stable_partition(numbers.begin(), numbers.end(), [](int n) { return n % 3 == 0; });
    std::ostringstream out;
    out << std::boolalpha << std::is_sorted(numbers.begin(), numbers.end()) << ' ' << 1.0 / 3 << ' ' << std::stod("2.5e-3") << ' '
        << std::stoll("-123456789012345");
    std::cout << letters << ' ' << out.str() << std::endl;
    std::cerr << "done" << std::endl;
}
