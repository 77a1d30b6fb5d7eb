// Expectations on the one message that wrong input gets.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/check.h"

namespace redoubt::test {

/// Expects that `statement()` throws InputError, and returns its message ("" if it does not throw).
template <class Statement>
std::string input_error(const Statement& statement) {
  try {
    statement();
  } catch (const InputError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no InputError was thrown";
  return "";
}

}  // namespace redoubt::test
