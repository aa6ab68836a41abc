// SPDX-License-Identifier: Apache-2.0
// Command-line flags that follow the rules of Go's `flag` package, which users of flannel know: one
// dash or two, `-name value` or `-name=value`, booleans take a value only with `=`, whole numbers
// may begin with 0x, 0o, 0b or 0, the last use of a flag wins, and lists collect every use.
// Unlike Go, a mistake gives an error of one line that names the word.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
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
  bool in_environment = true;  // read_environment() reads it
  bool free_text = false;      // the value keeps blanks and quotes around it; so does a secret
  // The value that the flag has without "=". Empty: the next word is the value.
  std::string bare_value = {};
};

// The name of a flag of an earlier release, a fork or another program. It is known here so that an
// operator who still uses it reads what replaces it.
struct OldFlag {
  std::string name;
  std::string now = {};     // the flag that replaces it; empty if none does
  std::string advice = {};  // without a replacement: why it is gone and what to do
  bool ignored = false;     // true: accepted with a warning, without effect; false: refused
  bool has_value = true;    // an ignored flag takes the next word as its value
};

struct ParsedWords {
  bool help = false;                  // -h, -help or --help was given; the rest was not parsed
  std::vector<std::string> words;     // the words that are no flags, in order; all after `--`
  std::vector<std::string> warnings;  // flags without effect: old ones, and those given twice
};

enum class FlagSource { nowhere, command_line, environment };

class Flags {
 public:
  // Binds a flag to a variable of the caller, which must outlive this object. The current value of
  // the variable is the default; a list must be empty.
  void add(FlagInfo info, std::string& value);
  void add(FlagInfo info, bool& value);
  void add(FlagInfo info, std::int64_t& value);
  void add(FlagInfo info, std::vector<std::string>& value);

  void add_old(std::vector<OldFlag> flags);

  // Sets the variables of the given flags and collects the words between them. Blanks around a
  // value are removed and quotes around it are an error, unless the flag takes free text.
  Result<ParsedWords> parse(std::span<const std::string> arguments);

  // Sets each flag that the command line did not give from the variable `prefix` + NAME, in upper
  // case and with `_` for `-`. An empty variable counts as unset. A list gets one element.
  // `origin` returns what follows the name of a variable in messages: where it is set, if that is
  // not the environment.
  using Environment = std::function<const char*(const std::string& variable)>;  // null: unset
  using Origin = std::function<std::string(const std::string& variable)>;
  Result<void> read_environment(std::string_view prefix, const Environment& environment,
                                const Origin& origin = {});

  // Returns a warning for each variable that begins with `prefix` but that no flag reads, with the
  // variable that was probably meant. `set` has the names of all variables that have a value.
  // Variables that Kubernetes and the like set by themselves give no warning.
  std::vector<std::string> unread_variables(std::string_view prefix,
                                            std::span<const std::string> set) const;
  // Returns the same warnings for variables that begin with `wrong_prefix` and whose flag is not
  // given.
  std::vector<std::string> misnamed_variables(std::string_view wrong_prefix,
                                              std::string_view prefix,
                                              std::span<const std::string> set) const;

  // Returns where the flag `name`, which must be defined, got its value from.
  FlagSource source(std::string_view name) const { return get(name).source; }
  bool given(std::string_view name) const { return source(name) != FlagSource::nowhere; }
  // Returns the name of the flag for an error about its value: "--iface", or "FLANNELD_IFACE" if
  // the value came from that variable.
  const std::string& label(std::string_view name) const { return get(name).label; }

  // Returns the values of all flags that the environment can give, by name, whether given or not.
  // Secrets are among them.
  std::map<std::string, std::vector<std::string>> values() const;

  // Returns one paragraph for each flag: name, kind of value, help, default.
  std::string usage() const;
  // Returns the given flags with their values for the log; secrets are hidden.
  std::string given_text() const;

 private:
  using Target = std::variant<std::string*, bool*, std::int64_t*, std::vector<std::string>*>;
  struct Flag {
    FlagInfo info;
    Target target;
    std::string label;
    std::string default_text;  // empty: the zero value
    FlagSource source = FlagSource::nowhere;
    bool repeated = false;  // given more than once on the command line; the last value counts
  };

  void define(FlagInfo info, Target target);
  Flag* find(std::string_view name);
  const Flag& get(std::string_view name) const;
  Result<void> take(Flag& flag, std::string_view value, FlagSource source);
  // The value that the flag has without "="; empty: it needs one.
  static std::string bare_value_of(const Flag& flag);
  const OldFlag* find_old(std::string_view name) const;
  Result<bool> skip_old(std::string_view argument, std::string_view name, bool has_value,
                        ParsedWords& parsed) const;
  Failure unknown(std::string_view word, std::string_view name) const;
  const Flag* read_from(std::string_view prefix, std::string_view variable) const;
  std::string advice_on(std::string_view prefix, std::string_view variable) const;

  std::vector<Flag> flags_;
  std::vector<OldFlag> old_;
};

// Returns the names of the variables in `environment` (see environ(7)) whose value is not empty.
std::vector<std::string> set_variables(const char* const* environment);

}  // namespace flannel
