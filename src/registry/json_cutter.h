// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace flannel {

// Shortens the strings in JSON while it is received, so that a single oversized record of another
// program does not make the answer too long to be read. Strings are cut between two characters, so
// the result is valid JSON if the input was.
class JsonCutter {
 public:
  // The bytes of a string that are kept, unless a store needs more; a few more may be.
  static constexpr std::size_t kLongestText = 128 << 10;

  explicit JsonCutter(std::size_t longest_text = kLongestText) : longest_text_(longest_text) {}

  void add(std::string_view bytes, std::string& into);

 private:
  enum class Place { outside, in_text, behind_backslash, in_code };

  void add_outside(char c);
  bool add_in_text(char c);

  std::size_t longest_text_;
  Place place_ = Place::outside;
  std::size_t length_ = 0;  // of the text so far
  int code_left_ = 0;       // digits of \uXXXX to come
  bool cutting_ = false;
};

}  // namespace flannel
