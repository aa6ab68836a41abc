// SPDX-License-Identifier: Apache-2.0
#include "daemon/config_follower.h"

#include <chrono>
#include <utility>

#include "base/problem_kinds.h"
#include "daemon/whole_config.h"

namespace flannel {
namespace {

// Until a configuration that this host could not adopt is tried again.
constexpr auto kAdoptRetry = std::chrono::seconds(10);

Problem not_used(const std::string& why) {
  return make_problem(kConfigNotUsed, "", why + "; the running one stays in force");
}

}  // namespace

std::optional<ParsedConfig> ConfigFollower::first(const std::optional<ConfigRecord>& record,
                                                  const std::string& key) {
  if (!record) {
    set_problem(
        make_problem(kConfigMissing, key, "there is none in the store yet, the key is " + key));
    return std::nullopt;
  }
  auto parsed = parse_whole_config(record->text);
  if (!parsed) {
    set_problem(make_problem(kConfigInvalid, key, parsed.error().text));
    return std::nullopt;
  }
  in_force_ = record;
  set_problem({});
  return *std::move(parsed);
}

void ConfigFollower::follow(const std::optional<ConfigRecord>& record) {
  record_ = record;
  retry_.cancel();
  if (!record) {
    return set_problem(
        make_problem(kConfigGone, "", "it is gone from the store; the running one stays in force"));
  }
  const auto parsed = parse_whole_config(record->text);
  if (!parsed) return set_problem(not_used(parsed.error().text));
  if (const auto adopted = parts_.adopt(*parsed); !adopted) {
    retry_.arm_after(kAdoptRetry);
    return set_problem(not_used(adopted.error().text));
  }
  in_force_ = record;
  set_problem({});
}

void ConfigFollower::set_problem(std::optional<Problem> problem) {
  if (problem == problem_) return;
  problem_ = std::move(problem);
  parts_.on_state();
}

}  // namespace flannel
