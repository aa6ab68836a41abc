// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace flannel {

// JSON as it comes in, without the rest of each text that is longer than anything of ours: one
// record of a stranger's must not make the answer too long for all others. A text is cut between
// two characters, so what was JSON stays JSON.
class JsonCutter {
 public:
  // Bytes of a text that stay, or a few more.
  static constexpr std::size_t kLongestText = 128 << 10;

  void add(std::string_view bytes, std::string& into);

 private:
  enum class Place { outside, in_text, behind_backslash, in_code };

  void add_outside(char c);
  bool add_in_text(char c);

  Place place_ = Place::outside;
  std::size_t length_ = 0;  // of the text so far
  int code_left_ = 0;       // digits of \uXXXX to come
  bool cutting_ = false;
};

}  // namespace flannel
