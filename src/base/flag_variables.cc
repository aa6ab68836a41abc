// SPDX-License-Identifier: Apache-2.0
// Flags in the environment: finds the flag of each variable, and the variables without one.
#include <algorithm>

#include "base/flags.h"
#include "base/nearest.h"
#include "base/printable.h"

namespace flannel {
namespace {

std::string variable_name(std::string_view prefix, std::string_view name) {
  std::string variable(prefix);
  for (const char c : name) {
    variable += c == '-' || c == '.' ? '_' : (c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c);
  }
  return variable;
}

// Kubernetes sets such variables in every pod for a service that has the name of the program, and
// container images set one with their version.
bool is_of_somebody_else(std::string_view name) {
  return name == "VERSION" || name == "PORT" || name.starts_with("PORT_") ||
         name.starts_with("SERVICE_");
}

}  // namespace

Result<void> Flags::read_environment(std::string_view prefix, const Environment& environment,
                                     const Origin& origin) {
  for (Flag& flag : flags_) {
    if (!flag.info.in_environment || flag.source == FlagSource::command_line) continue;
    std::string variable = variable_name(prefix, flag.info.name);
    const char* const value = environment(variable);
    if (value == nullptr || *value == '\0') continue;
    flag.label = origin ? variable + origin(variable) : std::move(variable);
    TRY(take(flag, value, FlagSource::environment));
  }
  return {};
}

const Flags::Flag* Flags::read_from(std::string_view prefix, std::string_view variable) const {
  const auto found = std::ranges::find_if(flags_, [&](const Flag& flag) {
    return flag.info.in_environment && variable_name(prefix, flag.info.name) == variable;
  });
  return found == flags_.end() ? nullptr : &*found;
}

std::string Flags::advice_on(std::string_view prefix, std::string_view variable) const {
  const std::string name(variable.substr(prefix.size()));
  for (const OldFlag& old : old_) {
    if (variable_name("", old.name) != name) continue;
    if (!old.now.empty()) return ", did you mean " + variable_name(prefix, old.now) + "?";
    return ": " + old.advice;
  }
  std::vector<std::string> names;
  for (const Flag& flag : flags_) {
    const std::string known = variable_name("", flag.info.name);
    if (known == name) return ", give --" + flag.info.name;
    if (flag.info.in_environment) names.push_back(known);
  }
  const auto near = nearest(name, names);
  if (near) return ", did you mean " + std::string(prefix) + *near + "?";
  return ", no flag has this name";
}

std::vector<std::string> Flags::unread_variables(std::string_view prefix,
                                                 std::span<const std::string> set) const {
  std::vector<std::string> sentences;
  for (const std::string& variable : set) {
    if (!variable.starts_with(prefix) || read_from(prefix, variable) != nullptr) continue;
    if (is_of_somebody_else(std::string_view(variable).substr(prefix.size()))) continue;
    sentences.push_back(printable(shortened(variable)) + " is not read" +
                        advice_on(prefix, variable));
  }
  return sentences;
}

std::vector<std::string> Flags::misnamed_variables(std::string_view wrong_prefix,
                                                   std::string_view prefix,
                                                   std::span<const std::string> set) const {
  std::vector<std::string> sentences;
  for (const std::string& variable : set) {
    if (!variable.starts_with(wrong_prefix)) continue;
    const std::string name = variable.substr(wrong_prefix.size());
    const Flag* flag = read_from("", name);
    for (const OldFlag& old : old_) {
      if (!old.now.empty() && variable_name("", old.name) == name) flag = &get(old.now);
    }
    if (flag == nullptr || flag->source != FlagSource::nowhere) continue;
    sentences.push_back(variable + " is not read, did you mean " +
                        variable_name(prefix, flag->info.name) + "?");
  }
  return sentences;
}

std::vector<std::string> set_variables(const char* const* environment) {
  std::vector<std::string> names;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view line = *environment;
    const auto equals = line.find('=');
    if (equals != line.npos && equals + 1 < line.size()) names.emplace_back(line.substr(0, equals));
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace flannel
