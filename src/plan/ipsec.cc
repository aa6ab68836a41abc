// SPDX-License-Identifier: Apache-2.0
#include "plan/ipsec.h"

#include <fmt/format.h>

#include <string_view>

namespace flannel {
namespace {

std::string_view direction_name(IpsecPolicy::Direction direction) {
  switch (direction) {
    case IpsecPolicy::Direction::in:
      return "in";
    case IpsecPolicy::Direction::out:
      return "out";
    case IpsecPolicy::Direction::forward:
      return "fwd";
  }
  return "unknown";
}

std::string action_words(const IpsecPolicy& policy) {
  switch (policy.action) {
    case IpsecPolicy::Action::tunnel:
      return fmt::format("tmpl src {} dst {} esp", to_string(policy.outer_from),
                         to_string(policy.outer_to));
    case IpsecPolicy::Action::pass:
      return "action allow";
    case IpsecPolicy::Action::block:
      return "action block";
  }
  return "unknown";
}

}  // namespace

std::string to_string(const IpsecPolicy& policy) {
  return fmt::format("xfrm policy src {} dst {} dir {} {}", to_string(policy.from),
                     to_string(policy.to), direction_name(policy.direction), action_words(policy));
}

}  // namespace flannel
