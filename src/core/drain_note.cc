// SPDX-License-Identifier: Apache-2.0
#include "core/drain_note.h"

#include <algorithm>

#include "base/parse.h"
#include "base/printable.h"

namespace flannel {
namespace {

constexpr std::size_t kLongestPart = 64;

std::string short_word(std::string_view text) {
  return printable(trim(text).substr(0, kLongestPart));
}

}  // namespace

std::string encode_drain_note(const DrainNote& note) {
  return note.since + " " + note.by + "\n";
}

DrainNote decode_drain_note(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  const std::size_t space = std::min(line.find(' '), line.size());
  return {.since = short_word(line.substr(0, space)), .by = short_word(line.substr(space))};
}

std::string to_string(const DrainNote& note) {
  std::string text = "drained";
  if (!note.since.empty()) text += " since " + note.since;
  if (!note.by.empty()) text += " by " + note.by;
  return text;
}

}  // namespace flannel
