// The two kinds of failure: wrong input, which a user can mend, and a broken contract, which we
// must.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace redoubt {

/// Wrong input of any kind (experiment file, data, model file, flag). The message says where, what
/// was found and what is allowed; the program prints it and exits with 2.
class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws std::logic_error that names the place unless `holds`: a caller broke a contract.
inline void check(bool holds, std::string_view contract, const char* file = __builtin_FILE(),
                  int line = __builtin_LINE()) {  // Clang 14 has no std::source_location
  if (holds) return;
  throw std::logic_error(std::string(file) + ":" + std::to_string(line) +
                         ": broken contract: " + std::string(contract));
}

}  // namespace redoubt
