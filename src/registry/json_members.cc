// SPDX-License-Identifier: Apache-2.0
#include "registry/json_members.h"

#include <nlohmann/json.hpp>

namespace flannel {

Result<std::string> text_member(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) return std::string();
  if (!found->is_string()) return fail(ErrorKind::invalid, std::string(name) + " is no text");
  return found->get<std::string>();
}

Result<std::int64_t> index_member(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) return 0;
  if (!found->is_number_unsigned()) {
    return fail(ErrorKind::invalid, std::string(name) + " is no index");
  }
  const auto index = found->get<std::int64_t>();
  if (index < 0) return fail(ErrorKind::invalid, std::string(name) + " is too big");
  return index;
}

}  // namespace flannel
