// SPDX-License-Identifier: Apache-2.0
// The content of the file by which `flannelctl drain` notifies flanneld (kDrainedFile): for people.
#pragma once

#include <string>
#include <string_view>

namespace flannel {

struct DrainNote {
  std::string since;  // "2026-11-29T21:48:05Z"; empty: not known
  std::string by;     // the name of a user; empty: not known

  bool operator==(const DrainNote&) const = default;
};

// "2026-11-29T21:48:05Z root", as one line.
std::string encode_drain_note(const DrainNote& note);
// Reads the first line of any text, since an operator may have made the file by hand. Control
// characters are replaced, and each of the two parts is cut to a length that fits into a sentence.
DrainNote decode_drain_note(std::string_view text);

// "drained since 2026-11-29T21:48:05Z by root"
std::string to_string(const DrainNote& note);

}  // namespace flannel
