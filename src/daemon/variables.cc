// SPDX-License-Identifier: Apache-2.0
#include "daemon/variables.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace flannel {

Variables::Variables(EnvironmentFile file, Flags::Environment environment,
                     std::span<const std::string> set)
    : file_(std::move(file)), environment_(std::move(environment)), set_(set.begin(), set.end()) {
  ignore_own_name();
  warn_of_hidden();
  warn_of_readers();
}

Result<EnvironmentFile> Variables::read_file(const std::string& given) {
  if (given.empty()) return EnvironmentFile{};
  const bool may_be_missing = given.starts_with('-');
  const std::string path = given.substr(may_be_missing ? 1 : 0);
  if (path.empty()) return fail(ErrorKind::invalid, "names no file");
  auto file = read_environment_file(path);
  if (file || !may_be_missing) return file;
  EnvironmentFile nothing{.path = path, .variables = {}, .skipped = {}};
  if (file.error().kind == ErrorKind::not_found) return nothing;
  if (file.error().kind != ErrorKind::denied) return file;
  nothing.skipped.push_back(path + " is not read: " + file.error().text);
  return nothing;
}

void Variables::ignore_own_name() {
  const auto* named = file_.find(kFileVariable);
  if (named == nullptr) return;
  const std::string_view value = named->value;
  if (value != file_.path && value != "-" + file_.path) {
    warnings_.push_back(fmt::format("{}{} has no effect: a file names no other file", kFileVariable,
                                    origin(kFileVariable)));
  }
  std::erase_if(file_.variables, [](const auto& each) { return each.name == kFileVariable; });
}

void Variables::warn_of_hidden() {
  for (const auto& [name, value, line] : file_.variables) {
    if (!name.starts_with("FLANNELD_") && !name.starts_with("CONSUL_")) continue;
    const char* const hidden = environment_ ? environment_(name) : nullptr;
    if (hidden == nullptr || hidden == value) continue;
    warnings_.push_back(fmt::format("{} of the environment is not used: {}:{} has another value",
                                    name, file_.path, line));
  }
}

void Variables::warn_of_readers() {
  const bool has_secret = std::ranges::any_of(file_.variables, [](const auto& each) {
    return (each.name == "FLANNELD_ETCD_PASSWORD" || each.name == "CONSUL_HTTP_TOKEN") &&
           !each.value.empty();
  });
  struct stat status {};
  if (!has_secret || ::stat(file_.path.c_str(), &status) != 0 || (status.st_mode & 0007) == 0) {
    return;
  }
  warnings_.push_back("every user of this host can read " + file_.path + ", which has a secret");
}

const char* Variables::find(const std::string& name) const {
  if (const auto* variable = file_.find(name)) return variable->value.c_str();
  return environment_ ? environment_(name) : nullptr;
}

std::string Variables::origin(const std::string& name) const {
  const auto* variable = file_.find(name);
  return variable == nullptr ? std::string() : fmt::format(" ({}:{})", file_.path, variable->line);
}

std::vector<std::string> Variables::set() const {
  std::vector<std::string> names;
  for (const std::string& name : set_) {
    if (file_.find(name) == nullptr) names.push_back(name);
  }
  for (const auto& variable : file_.variables) {
    if (!variable.value.empty()) names.push_back(variable.name);
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace flannel
