// SPDX-License-Identifier: Apache-2.0
#include "base/flags.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <iterator>
#include <limits>

#include "base/characters.h"
#include "base/nearest.h"
#include "base/parse.h"
#include "base/pasted.h"
#include "base/printable.h"

namespace flannel {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_hex_digit(char c) {
  return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

// A number without its sign and the prefix of its base.
struct Magnitude {
  std::string_view digits;
  int base = 10;
  bool after_prefix = false;  // an underscore may come first
};

Magnitude split_base(std::string_view text) {
  if (text.empty() || text[0] != '0') return {text, 10, false};
  const char mark = text.size() >= 3 ? static_cast<char>(text[1] | 0x20) : ' ';
  if (mark == 'x') return {text.substr(2), 16, true};
  if (mark == 'o') return {text.substr(2), 8, true};
  if (mark == 'b') return {text.substr(2), 2, true};
  return {text, 8, false};
}

// Removes the underscores, which may stand between digits, or between the prefix and a digit.
// Returns nullopt if one stands elsewhere.
std::optional<std::string> without_underscores(const Magnitude& number) {
  std::string digits;
  bool after_digit = number.after_prefix;
  for (const char c : number.digits) {
    if (c == '_') {
      if (!after_digit) return std::nullopt;
      after_digit = false;
    } else {
      if (!is_hex_digit(c)) return std::nullopt;
      digits += c;
      after_digit = true;
    }
  }
  return after_digit && !digits.empty() ? std::optional(digits) : std::nullopt;
}

// Parses a number as Go's strconv.ParseInt(text, 0, 64) does.
Result<std::int64_t> parse_integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  std::string_view rest = text;
  if (negative || text.starts_with('+')) rest.remove_prefix(1);
  const Magnitude number = split_base(rest);
  const auto digits = without_underscores(number);
  if (!digits) return fail(ErrorKind::invalid, in_quotes(text) + " is not a whole number");
  std::uint64_t value = 0;
  const char* const end = digits->data() + digits->size();
  const auto read = std::from_chars(digits->data(), end, value, number.base);
  if (read.ptr != end) return fail(ErrorKind::invalid, in_quotes(text) + " is not a whole number");
  const std::uint64_t limit = std::uint64_t{std::numeric_limits<std::int64_t>::max()};
  if (read.ec != std::errc{} || value > limit + (negative ? 1 : 0)) {
    return fail(ErrorKind::invalid, in_quotes(text) + " does not fit into 64 bits");
  }
  return static_cast<std::int64_t>(negative ? 0 - value : value);
}

Result<bool> parse_bool(std::string_view text) {
  for (const std::string_view word : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == word) return true;
  }
  for (const std::string_view word : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == word) return false;
  }
  return fail(ErrorKind::invalid, in_quotes(text) + " is neither true nor false");
}

Result<void> store(std::string* target, std::string_view text) {
  *target = text;
  return {};
}
Result<void> store(bool* target, std::string_view text) {
  *target = TRY(parse_bool(text));
  return {};
}
Result<void> store(std::int64_t* target, std::string_view text) {
  *target = TRY(parse_integer(text));
  return {};
}
Result<void> store(std::vector<std::string>* target, std::string_view text) {
  target->emplace_back(text);
  return {};
}

std::string_view kind_word(const std::string*) {
  return " string";
}
std::string_view kind_word(const bool*) {
  return "";
}
std::string_view kind_word(const std::int64_t*) {
  return " int";
}
std::string_view kind_word(const std::vector<std::string>*) {
  return " string (repeatable)";
}

std::string default_word(const std::string* value) {
  return value->empty() ? "" : in_quotes(*value);
}
std::string default_word(const bool* value) {
  return *value ? "true" : "";
}
std::string default_word(const std::int64_t* value) {
  return *value == 0 ? "" : std::to_string(*value);
}
std::string default_word(const std::vector<std::string>*) {
  return "";
}

std::vector<std::string> values_of(const std::string* value) {
  return {*value};
}
std::vector<std::string> values_of(const bool* value) {
  return {*value ? "true" : "false"};
}
std::vector<std::string> values_of(const std::int64_t* value) {
  return {std::to_string(*value)};
}
std::vector<std::string> values_of(const std::vector<std::string>* value) {
  return *value;
}

// "[=string]" for the kind " string".
std::string optional_value(std::string_view kind) {
  return "[=" + std::string(trim(kind)) + "]";
}

// A word, split into the name and value of a flag. `-` alone and words without a dash are no flags.
struct FlagWord {
  std::string_view name;
  std::optional<std::string_view> value;
};

// Returns the part of an unknown word that may be printed: what follows '=' may be a password.
std::string_view without_value(std::string_view word) {
  return word.substr(0, word.find('='));
}

Result<FlagWord> split_flag(std::string_view word) {
  std::string_view rest = word.substr(word.starts_with("--") ? 2 : 1);
  if (rest.empty() || rest[0] == '-' || rest[0] == '=') {
    return fail(ErrorKind::invalid, in_quotes(without_value(word)) + " is not a flag");
  }
  const auto equals = rest.find('=');
  if (equals == std::string_view::npos) return FlagWord{rest, std::nullopt};
  return FlagWord{rest.substr(0, equals), rest.substr(equals + 1)};
}

}  // namespace

void Flags::add(FlagInfo info, std::string& value) {
  define(std::move(info), &value);
}
void Flags::add(FlagInfo info, bool& value) {
  define(std::move(info), &value);
}
void Flags::add(FlagInfo info, std::int64_t& value) {
  define(std::move(info), &value);
}
void Flags::add(FlagInfo info, std::vector<std::string>& value) {
  define(std::move(info), &value);
}

void Flags::define(FlagInfo info, Target target) {
  assert(find(info.name) == nullptr);
  std::string text = std::visit([](const auto* value) { return default_word(value); }, target);
  std::string label = "--" + info.name;
  flags_.push_back({std::move(info), target, std::move(label), std::move(text)});
}

Flags::Flag* Flags::find(std::string_view name) {
  const auto found =
      std::ranges::find_if(flags_, [&](const Flag& flag) { return flag.info.name == name; });
  return found == flags_.end() ? nullptr : &*found;
}

Result<void> Flags::take(Flag& flag, std::string_view value, FlagSource source) {
  if (!flag.info.secret && !flag.info.free_text) {
    value = trim(value);
    TRY_DURING(check_pasted_value(value), flag.label);
  }
  auto stored = std::visit([&](auto* target) { return store(target, value); }, flag.target);
  if (!stored) return Failure(std::move(stored).error().during(flag.label));
  const bool list = std::holds_alternative<std::vector<std::string>*>(flag.target);
  flag.repeated = flag.source == FlagSource::command_line && !list;
  flag.source = source;
  return {};
}

void Flags::add_old(std::vector<OldFlag> flags) {
  old_.insert(old_.end(), std::make_move_iterator(flags.begin()),
              std::make_move_iterator(flags.end()));
}

std::string Flags::bare_value_of(const Flag& flag) {
  return std::holds_alternative<bool*>(flag.target) ? "true" : flag.info.bare_value;
}

// Finds a flag also with `-` for `_`, since other programs write log-dir for log_dir.
const OldFlag* Flags::find_old(std::string_view name) const {
  std::string with_underscores(name);
  std::ranges::replace(with_underscores, '-', '_');
  const auto found = std::ranges::find_if(
      old_, [&](const OldFlag& old) { return old.name == name || old.name == with_underscores; });
  return found == old_.end() ? nullptr : &*found;
}

Failure Flags::unknown(std::string_view word, std::string_view name) const {
  if (const OldFlag* const old = find_old(name)) {
    const std::string shown(without_value(word));
    if (!old->now.empty()) return fail(ErrorKind::invalid, shown + " is called --" + old->now);
    return fail(ErrorKind::invalid, "this release has no " + shown + ": " + old->advice);
  }
  std::vector<std::string> names;
  for (const Flag& flag : flags_)
    names.push_back(flag.info.name);
  std::string text = "unknown flag " + in_quotes(without_value(word));
  for (std::size_t at = 0; at < name.size(); ++at) {
    if (!lookalike(name.substr(at))) continue;
    text += " has " + name_of_first(name.substr(at)) + " in it";
    break;
  }
  if (const auto near = nearest(name, names)) text += ", did you mean --" + *near + "?";
  return fail(ErrorKind::invalid, text);
}

// Skips an old flag without effect. Returns true if the next word is its value.
Result<bool> Flags::skip_old(std::string_view argument, std::string_view name, bool has_value,
                             ParsedWords& parsed) const {
  const OldFlag* const old = find_old(name);
  if (old == nullptr || !old->ignored) return unknown(argument, name);
  parsed.warnings.push_back("--" + old->name + " has no effect: " + old->advice);
  return old->has_value && !has_value;
}

Result<ParsedWords> Flags::parse(std::span<const std::string> arguments) {
  ParsedWords parsed;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    TRY(check_pasted_word(argument));
    if (argument.size() < 2 || argument[0] != '-') {
      parsed.words.push_back(argument);
      continue;
    }
    if (argument == "--") {
      parsed.words.insert(parsed.words.end(),
                          arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1, arguments.end());
      break;
    }
    const FlagWord word = TRY(split_flag(argument));
    Flag* const flag = find(word.name);
    if (flag == nullptr && (word.name == "h" || word.name == "help")) {
      parsed.help = true;
      return parsed;
    }
    if (flag == nullptr) {
      if (TRY(skip_old(argument, word.name, word.value.has_value(), parsed))) ++i;
    } else if (word.value) {
      TRY(take(*flag, *word.value, FlagSource::command_line));
    } else if (const std::string bare = bare_value_of(*flag); !bare.empty()) {
      TRY(take(*flag, bare, FlagSource::command_line));
    } else {
      if (++i == arguments.size()) return fail(ErrorKind::invalid, flag->label + " needs a value");
      TRY(take(*flag, arguments[i], FlagSource::command_line));
    }
  }
  for (const Flag& flag : flags_) {
    if (!flag.repeated) continue;
    parsed.warnings.push_back(flag.label + " is given more than once, the last value counts");
  }
  return parsed;
}

const Flags::Flag& Flags::get(std::string_view name) const {
  const auto found =
      std::ranges::find_if(flags_, [&](const Flag& flag) { return flag.info.name == name; });
  assert(found != flags_.end());
  return *found;
}

std::string Flags::usage() const {
  std::string text;
  for (const Flag& flag : flags_) {
    const auto kind = std::visit([](const auto* value) { return kind_word(value); }, flag.target);
    text.append("  --").append(flag.info.name);
    text.append(flag.info.bare_value.empty() ? std::string(kind) : optional_value(kind));
    text.append("\n        ");
    text.append(flag.info.help);
    if (!flag.default_text.empty()) text.append(" (default ").append(flag.default_text).append(")");
    text += '\n';
  }
  return text;
}

std::map<std::string, std::vector<std::string>> Flags::values() const {
  std::map<std::string, std::vector<std::string>> all;
  for (const Flag& flag : flags_) {
    if (!flag.info.in_environment) continue;
    all[flag.info.name] =
        std::visit([](const auto* target) { return values_of(target); }, flag.target);
  }
  return all;
}

std::string Flags::given_text() const {
  std::string text;
  for (const Flag& flag : flags_) {
    if (flag.source == FlagSource::nowhere) continue;
    for (const std::string& value :
         std::visit([](const auto* target) { return values_of(target); }, flag.target)) {
      text.append(text.empty() ? "--" : " --").append(flag.info.name).append("=");
      text += flag.info.secret ? "(hidden)" : word_or_quoted(value);
    }
  }
  return text;
}

}  // namespace flannel
