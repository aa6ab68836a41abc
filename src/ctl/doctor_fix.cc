// SPDX-License-Identifier: Apache-2.0
// doctor --fix: what the daemon can put right.
#include <fmt/format.h>

#include <algorithm>

#include "base/printable.h"
#include "core/json_text.h"
#include "ctl/control_client.h"
#include "ctl/doctor.h"

namespace flannel::doctor {
namespace {

// The codes of docs/problems.md.
constexpr std::string_view kBroken = "checksums-broken";
constexpr std::string_view kInForce = "software-checksums";
constexpr std::string_view kArea = "checksums";

Result<nlohmann::ordered_json> set_software_checksums(const CtlOptions& options, bool on) {
  return ask_daemon(options, {"PUT", "/v1/checksums", json_text({{"software", on}})});
}

std::string devices_in(const nlohmann::ordered_json& answer) {
  std::string all;
  for (const auto& device : answer.value("devices", nlohmann::ordered_json::array())) {
    if (!device.is_string()) continue;
    all += (all.empty() ? "" : ", ") + printable(device.get<std::string>());
  }
  return all;
}

}  // namespace

void check_fix(const DaemonView& daemon, Checks& checks) {
  for (const auto& problem : daemon.status.value("problems", nlohmann::ordered_json::array())) {
    if (!problem.is_object() || problem.value("code", "") != kInForce) continue;
    checks.push_back({.area = std::string(kArea),
                      .text = printable(problem.value("text", "")) + "; " +
                              printable(problem.value("remedy", ""))});
  }
}

Result<void> fix(const CtlOptions& options, Checks& checks) {
  if (std::ranges::find(checks, kBroken, &Check::code) == checks.end()) {
    checks.push_back(
        {.area = std::string(kArea),
         .text = "nothing was changed: --fix mends " + std::string(kBroken) + " alone"});
    return {};
  }
  const auto answer = TRY(set_software_checksums(options, true));
  checks.push_back(
      {.area = std::string(kArea),
       .text = fmt::format("the kernel fills in the checksums of packets by {} from now on, also "
                           "after restarts; flannelctl doctor says in some seconds whether that "
                           "helps, and --fix=off takes it back",
                           devices_in(answer))});
  return {};
}

Result<void> undo_fix(const CtlOptions& options, Checks& checks) {
  TRY(set_software_checksums(options, false));
  checks.push_back({.area = std::string(kArea),
                    .text = "checksums are left to the network card again, if they were not"});
  return {};
}

}  // namespace flannel::doctor
