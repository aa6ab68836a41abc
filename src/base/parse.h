// SPDX-License-Identifier: Apache-2.0
// The small parsers that several formats share.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace flannel {

// Parses all of `text` as a decimal number without sign, blanks or superfluous leading zeros.
// Returns nullopt if `text` is anything else or the number does not fit.
template <typename Unsigned>
std::optional<Unsigned> parse_decimal(std::string_view text) {
  Unsigned value{};
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text[0] == '-') {
    return std::nullopt;
  }
  return value;
}

// Splits "a,b,,c" into "a", "b", "" and "c". Empty text has one empty part.
std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);
std::string to_lower(std::string_view text);  // ASCII only
bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace flannel
