// SPDX-License-Identifier: Apache-2.0
// Command-line flags with the habits of Go's `flag` package, which flannel's users have: one dash
// or two, `-name value` or `-name=value`, booleans take a value only with `=`, whole numbers find
// their base from 0x, 0o, 0b or 0, the last use of a flag wins, lists collect every use.
// Stricter than Go: a mistake is an error that names the word, in one line.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace flannel {

struct FlagInfo {
  std::string name;            // without dashes
  std::string help;            // one line
  bool secret = false;         // its value is never printed
  bool in_environment = true;  // read_environment() looks for it
  bool free_text = false;      // blanks and quotes around its value are part of it; so of a secret
};

// A name that earlier releases, forks or other programs have for a flag: known, so that whoever
// brings it along reads what became of it.
struct OldFlag {
  std::string name;
  std::string now = {};     // the flag of today, if there is one for it
  std::string advice = {};  // else what became of it, and what to do
  bool ignored = false;     // taken without effect, with a warning; otherwise refused
  bool has_value = true;    // of an ignored one: the next word is its value
};

struct ParsedWords {
  bool help = false;                  // -h, -help or --help: nothing after it was looked at
  std::vector<std::string> words;     // what is no flag, in order; all that follows `--`
  std::vector<std::string> warnings;  // flags without effect: of earlier releases, given twice
};

enum class FlagSource { nowhere, command_line, environment };

class Flags {
 public:
  // Binds a flag to a variable of the caller, which outlives these flags. The value it has now is
  // the default. A list's default is empty.
  void add(FlagInfo info, std::string& value);
  void add(FlagInfo info, bool& value);
  void add(FlagInfo info, std::int64_t& value);
  void add(FlagInfo info, std::vector<std::string>& value);

  void add_old(std::vector<OldFlag> flags);

  // Sets the variables of the flags that are given; words between flags are collected.
  // Blanks around a value are not part of it, and quotes around it are a mistake, unless the flag
  // takes free text.
  Result<ParsedWords> parse(std::span<const std::string> arguments);

  // For each flag that the command line did not give: the variable `prefix` + NAME, in upper case
  // and with `_` for `-`. An empty variable counts as unset; one variable is one list element.
  using Environment = std::function<const char*(const std::string& variable)>;  // null: unset
  Result<void> read_environment(std::string_view prefix, const Environment& environment);

  // Of `set`, the names of variables that have a value: a sentence for each that begins with
  // `prefix` and that no flag reads, with the one that was meant. Not for those that others set.
  std::vector<std::string> unread_variables(std::string_view prefix,
                                            std::span<const std::string> set) const;
  // The same for those that begin with `wrong_prefix`, where a flag of that name is not given.
  std::vector<std::string> misnamed_variables(std::string_view wrong_prefix,
                                              std::string_view prefix,
                                              std::span<const std::string> set) const;

  // Where a defined flag got its value from.
  FlagSource source(std::string_view name) const { return get(name).source; }
  bool given(std::string_view name) const { return source(name) != FlagSource::nowhere; }
  // How an error about its value names it: "--iface", or "FLANNELD_IFACE" if it came from there.
  const std::string& label(std::string_view name) const { return get(name).label; }

  // One paragraph for each flag: name, kind of value, help, default.
  std::string usage() const;
  // The flags that were given, with their values, for the log; secrets are hidden.
  std::string given_text() const;

 private:
  using Target = std::variant<std::string*, bool*, std::int64_t*, std::vector<std::string>*>;
  struct Flag {
    FlagInfo info;
    Target target;
    std::string label;
    std::string default_text;  // empty: the zero value
    FlagSource source = FlagSource::nowhere;
    bool repeated = false;  // on the command line, and only the last value counts
  };

  void define(FlagInfo info, Target target);
  Flag* find(std::string_view name);
  const Flag& get(std::string_view name) const;
  Result<void> take(Flag& flag, std::string_view value, FlagSource source);
  const OldFlag* find_old(std::string_view name) const;
  Result<bool> skip_old(std::string_view argument, std::string_view name, bool has_value,
                        ParsedWords& parsed) const;
  Failure unknown(std::string_view word, std::string_view name) const;
  const Flag* read_from(std::string_view prefix, std::string_view variable) const;
  std::string advice_on(std::string_view prefix, std::string_view variable) const;

  std::vector<Flag> flags_;
  std::vector<OldFlag> old_;
};

// Names of the variables of `environment`, as environ(7) has it, whose value is not empty.
std::vector<std::string> set_variables(const char* const* environment);

}  // namespace flannel
