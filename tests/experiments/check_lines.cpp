// Reads one experiment a line (JSON is YAML) from standard input and answers each with a line: what
// is wrong with it, or nothing. So a test can ask about thousands without starting a program for
// each.
#include <iostream>
#include <string>

#include "base/check.h"
#include "experiments/file/experiment_file.h"

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::string message;
    try {
      redoubt::experiments::parse_experiment(line, "line.yaml");
    } catch (const redoubt::InputError& error) {
      message = error.what();
    }
    std::cout << message << "\n";
  }
  return 0;
}
