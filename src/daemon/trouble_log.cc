// SPDX-License-Identifier: Apache-2.0
#include "daemon/trouble_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/log.h"

namespace flannel {
namespace {

bool is_in(const std::vector<HostTrouble>& troubles, const HostTrouble& trouble) {
  return std::ranges::find(troubles, trouble) != troubles.end();
}

}  // namespace

bool log_troubles(std::string_view what, const std::vector<HostTrouble>& before,
                  const std::vector<HostTrouble>& now) {
  if (before == now) return false;
  for (const HostTrouble& trouble : now) {
    if (!is_in(before, trouble))
      log::warning(fmt::format("the {} has a problem", what), {{"problem", trouble.text}});
  }
  for (const HostTrouble& trouble : before) {
    if (!is_in(now, trouble))
      log::info(fmt::format("the {} has no longer a problem", what), {{"was", trouble.text}});
  }
  return true;
}

bool nothing_passes(const std::vector<HostTrouble>& troubles) {
  return std::ranges::any_of(troubles, &HostTrouble::nothing_passes);
}

}  // namespace flannel
