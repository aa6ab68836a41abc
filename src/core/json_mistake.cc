// SPDX-License-Identifier: Apache-2.0
#include "core/json_mistake.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/characters.h"
#include "base/parse.h"
#include "base/printable.h"
#include "base/redaction.h"

namespace flannel {
namespace {

constexpr std::size_t kAround = 30;  // bytes of text shown before and after the mistake
constexpr std::string_view kQuotesForText = "a text, also an address, stands in double quotes";

// The token that the grammar allows at a position.
enum class Wanted { object, value, key, colon, next_member, next_element, end, in_string };

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool continues_character(char c) {
  return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
}

// Parses the parser's message: "syntax error while parsing object key - ...; expected string
// literal".
Wanted wanted_at(std::string_view before, std::string_view why) {
  const auto has = [&](std::string_view words) { return why.find(words) != why.npos; };
  if (has("invalid string")) return Wanted::in_string;
  if (trim(before).empty()) return Wanted::object;
  if (has("; expected end of input")) return Wanted::end;
  if (has("parsing object key")) return Wanted::key;
  if (has("parsing object separator")) return Wanted::colon;
  if (has("parsing object ")) return Wanted::next_member;
  if (has("parsing array ")) return Wanted::next_element;
  return Wanted::value;
}

std::string_view in_words(Wanted wanted) {
  switch (wanted) {
    case Wanted::object:
      return "where an object has to begin, like {\"name\": value}";
    case Wanted::value:
      return "where a value belongs";
    case Wanted::key:
      return "where a key in double quotes belongs";
    case Wanted::colon:
      return "where ':' belongs";
    case Wanted::next_member:
      return "where ',' or '}' belongs";
    case Wanted::next_element:
      return "where ',' or ']' belongs";
    case Wanted::end:
      return "after the end of the object";
    case Wanted::in_string:
      return "in a text in double quotes";
  }
  return "";
}

// The number of bytes of the token that the parser read last. Only strings and numbers reset its
// token, so for all other kinds `token` also contains earlier ones.
std::size_t length_of_last(std::string_view why, const std::string& token) {
  const auto was = [&](std::string_view kind) { return why.find(kind) != why.npos; };
  if (was("unexpected string literal") || was("unexpected number literal")) return token.size();
  if (was("unexpected true literal") || was("unexpected null literal")) return 4;
  return was("unexpected false literal") ? 5 : 1;
}

// The offset of the wrong character, or of the token that begins with it.
std::size_t place_of(std::string_view text, const JsonStop& stop) {
  const std::string_view why = stop.why;
  if (stop.position > text.size() || why.find("unexpected end of input") != why.npos) {
    return text.size();
  }
  std::size_t at = stop.position - std::min(length_of_last(why, stop.token), stop.position);
  if (why.find("invalid literal") != why.npos) {  // perhaps at the end of a word like "tru"
    while (at > 0 && is_letter(text[at - 1]))
      --at;
  }
  const bool cut_short = why.find("ill-formed UTF-8") != why.npos;
  if (cut_short && at > 0 && static_cast<unsigned char>(text[at]) < 0x80U) --at;
  while (at > 0 && continues_character(text[at]))
    --at;
  return at;
}

std::string line_and_column(std::string_view before) {
  const auto line = std::ranges::count(before, '\n') + 1;
  const auto start = before.rfind('\n');
  if (start != before.npos) before.remove_prefix(start + 1);
  const auto column = std::ranges::count_if(before, std::not_fn(continues_character)) + 1;
  return fmt::format("line {}, column {}", line, column);
}

// The text around the position, from the same line only. Of a text with a secret nothing is shown.
std::string excerpt(std::string_view text, std::size_t at) {
  if (without_secrets(text) != text) return "";
  const std::string_view before = text.substr(0, at);
  const auto line_break = before.rfind('\n');
  const std::size_t line = line_break == before.npos ? 0 : line_break + 1;
  std::size_t begin = std::max(line, at - std::min(at, kAround));
  std::size_t end = std::min({text.size(), at + kAround, text.find('\n', at)});
  while (begin < at && continues_character(text[begin]))
    ++begin;
  while (end > at && end < text.size() && continues_character(text[end]))
    --end;
  const auto shown = trim(text.substr(begin, end - begin));
  if (shown.empty()) return "";
  const bool cut = end < text.size() && text[end] != '\n' && text[end] != '\r';
  return fmt::format(", near {}{}{}", begin > line ? "..." : "", printable(shown),
                     cut ? "..." : "");
}

std::string_view hint_for_word(std::string_view rest, Wanted wanted) {
  for (const std::string_view word : {"True", "TRUE", "False", "FALSE", "None", "Null", "NULL"}) {
    if (rest.starts_with(word)) return "true, false and null are written in small letters";
  }
  if (wanted == Wanted::key) return "keys stand in double quotes";
  if (wanted == Wanted::value) return kQuotesForText;
  return "";
}

std::string_view hint_for_sign(char c, std::string_view before, Wanted wanted) {
  const std::string_view written = trim(before);
  const char last = written.empty() ? ' ' : written.back();
  if ((c == '}' || c == ']') && last == ',') return "the comma before it is one too many";
  if ((c == '}' || c == ']' || c == ',') && wanted == Wanted::value) return "the value is missing";
  if (!before.empty() && is_digit(before.back()) && (c == '.' || c == '/' || c == ':')) {
    return kQuotesForText;
  }
  if (!before.empty() && is_digit(c) && before.back() == '0') {
    return "a number has no zeros in front";
  }
  if (c == '/' || c == '#') return "JSON has no comments";
  if (c == '\\') return "backslashes in front of quotes are for the shell, here they must go";
  if (c == '=' && wanted == Wanted::colon) return "JSON has ':' between key and value";
  if (c == ';') return "JSON has ',' between members";
  if (c == '\'' && written.empty()) return "the quotes around the text are for the shell alone";
  if (c == '\'') return "JSON takes double quotes only";
  const bool begins_something = c == '"' || c == '{' || c == '[' || is_digit(c) || is_letter(c);
  if (begins_something && (wanted == Wanted::next_member || wanted == Wanted::next_element)) {
    return "is a comma missing before it?";
  }
  return "";
}

std::string_view hint_in_string(std::string_view rest, std::string_view why) {
  if (rest.empty() || rest[0] == '\n' || rest[0] == '\r') {
    return "the double quote that ends the text is missing";
  }
  if (why.find("backslash") != why.npos) {
    return "after a backslash comes one of \" \\ / b f n r t u";
  }
  if (why.find("UTF-8") != why.npos) return "save the text as UTF-8";
  return "";
}

std::string_view hint(std::string_view text, std::size_t at, Wanted wanted, std::string_view why) {
  const std::string_view rest = text.substr(at);
  if (wanted == Wanted::in_string) return hint_in_string(rest, why);
  if (rest.empty()) return "is a brace missing there?";
  if (const auto known = lookalike(rest)) {
    if (known->meant == '"' || known->meant == '\'') return "JSON takes the straight \" only";
    if (known->meant == ' ') return "put a plain blank in its place, or nothing";
    return "a minus is the plain -";
  }
  const std::string_view for_sign = hint_for_sign(rest[0], text.substr(0, at), wanted);
  if (!for_sign.empty() || !is_letter(rest[0])) return for_sign;
  return hint_for_word(rest, wanted);
}

}  // namespace

std::string json_mistake(std::string_view text, const JsonStop& stop) {
  if (trim(text).empty()) return "not JSON: the text is empty, it has to be like {\"name\": value}";
  const std::size_t at = place_of(text, stop);
  const std::string_view before = text.substr(0, at);
  const Wanted wanted = wanted_at(before, stop.why);
  std::string sentence =
      fmt::format("not JSON: {}: {} {}{}", line_and_column(before), name_of_first(text.substr(at)),
                  in_words(wanted), excerpt(text, at));
  const std::string_view cause = hint(text, at, wanted, stop.why);
  if (!cause.empty()) sentence.append("; ").append(cause);
  return sentence;
}

std::string json_encoding_mistake(std::string_view text) {
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
    return "not JSON: begins with a byte order mark of UTF-16; save the text as UTF-8";
  }
  if (text.starts_with("\xef\xbb\xbf")) {
    return "not JSON: begins with a byte order mark; save the text as UTF-8 without one";
  }
  if (const auto at = text.find('\0'); at != text.npos) {
    return fmt::format("not JSON: has a NUL byte at {}; is it UTF-16, or no text?",
                       line_and_column(text.substr(0, at)));
  }
  return {};
}

}  // namespace flannel
