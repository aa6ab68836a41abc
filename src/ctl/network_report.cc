// SPDX-License-Identifier: Apache-2.0
#include "ctl/network_report.h"

#include <fmt/format.h>

#include "backend/backend.h"
#include "core/move_notes.h"

namespace flannel {
namespace {

// Makes facts of an arbitrary host, of which the backends only need the MTU here.
HostFacts some_host(std::uint32_t mtu) {
  HostFacts host;
  const auto ip = IpAddress::v4(192, 0, 2, 1);
  host.underlay = {
      .interface = "eth0", .interface_index = 2, .mtu = mtu, .v4 = UnderlayAddress{ip, ip}};
  return host;
}

}  // namespace

Result<NetworkReport> report_on(std::string_view config_text, std::uint32_t underlay_mtu) {
  ParsedConfig parsed = TRY(parse_network_config(config_text));
  TRY(read_move_notes(config_text));
  if (!parsed.config.v4) {
    return fail(ErrorKind::unsupported, "EnableIPv4: false: this release cannot do without IPv4");
  }
  const HostFacts host = some_host(underlay_mtu);
  MadeBackend made = TRY_DURING(make_backend(parsed.config, host.underlay), "Backend");
  NetworkReport report{.config = parsed.config,
                       .underlay_mtu = underlay_mtu,
                       .overlay_mtu = made.backend->overlay_mtu(host),
                       .warnings = std::move(parsed.warnings)};
  report.warnings.insert(report.warnings.end(), made.warnings.begin(), made.warnings.end());
  if (report.config.enable_nftables) {
    report.warnings.emplace_back(
        "EnableNFTables: not needed: nftables is used wherever the kernel has it; iptables where "
        "its table cannot be made, or --firewall=iptables says so");
  }
  return report;
}

std::string to_text(const NetworkReport& report) {
  const NetworkConfig& config = report.config;
  const SubnetRange& range = *config.v4;
  const std::uint64_t count = range.count();
  const IpPrefix first = range.at(0);
  std::string text = fmt::format("network    {}\n", to_string(range.network));
  text += fmt::format("subnets    {}, one for each host: {} to {}\n", count, to_string(first),
                      to_string(range.at(count - 1)));
  text += fmt::format("addresses  {} on each host, one of them the bridge's\n",
                      (std::uint64_t{1} << first.host_bits()) - 2);
  text += fmt::format("backend    {}\n", config.backend_type);
  text += fmt::format("mtu        {} where the interface between the hosts has {}\n",
                      report.overlay_mtu, report.underlay_mtu);
  return text;
}

}  // namespace flannel
