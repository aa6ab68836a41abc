// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/ipv6_settings.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "kernel/host/sysctl.h"

namespace flannel {
namespace {

bool is_one(const std::string& link, std::string_view setting) {
  const auto text = read_file(fmt::format("/proc/sys/net/ipv6/conf/{}/{}", link, setting));
  return text && text->starts_with('1');
}

}  // namespace

bool kernel_has_ipv6() {
  return ::access("/proc/sys/net/ipv6/conf", F_OK) == 0;
}

bool ignores_advertisements(const std::string& link) {
  return is_one(link, "accept_ra") && is_one(link, "forwarding");
}

Result<void> enable_ipv6(const std::string& link) {
  if (!kernel_has_ipv6()) {
    return fail(ErrorKind::unsupported,
                "this kernel has no IPv6: it was started with ipv6.disable=1, or the module ipv6 "
                "is missing");
  }
  const std::string name = "net/ipv6/conf/" + link + "/disable_ipv6";
  // Where /proc/sys is read-only, the default is mostly right.
  const auto now = read_file("/proc/sys/" + name);
  if (now && now->starts_with('0')) return {};
  TRY_DURING(write_sysctl(name, "0"), "enable IPv6 on " + link);
  return {};
}

void keep_ipv6_quiet(const std::string& link) {
  const std::string settings = "net/ipv6/conf/" + link;
  constexpr auto kQuiet = std::to_array<std::pair<const char*, const char*>>({
      {"/accept_ra", "0"}, {"/addr_gen_mode", "1"},  // addr_gen_mode 1: no address
  });
  for (const auto& [name, value] : kQuiet) {
    const auto written = write_sysctl(settings + name, value);
    if (!written && written.error().kind != ErrorKind::not_found) {
      log::verbose(4, "device left with IPv6 defaults", {{"why", written.error().text}});
    }
  }
}

}  // namespace flannel
