// SPDX-License-Identifier: Apache-2.0
#include "ctl/network_report.h"

#include <fmt/format.h>

#include "backend/backend.h"
#include "core/move_notes.h"

namespace flannel {
namespace {

// Makes facts of an arbitrary host, of which the backends only need the MTU here.
HostFacts some_host(const NetworkConfig& config, std::uint32_t mtu) {
  HostFacts host;
  const auto ip = IpAddress::v4(192, 0, 2, 1);
  const auto ip6 = IpAddress::v6({0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  host.underlay = underlay_for(config, {.interface = "eth0",
                                        .interface_index = 2,
                                        .mtu = mtu,
                                        .v4 = UnderlayAddress{ip, ip},
                                        .v6 = UnderlayAddress{ip6, ip6}});
  return host;
}

// The number of IPv4 addresses of a subnet that a host can have. Of IPv6 there are always enough.
std::string addresses_of(const IpPrefix& subnet) {
  if (subnet.family() == Family::v6) return fmt::format("2^{}", subnet.host_bits());
  return fmt::to_string((std::uint64_t{1} << subnet.host_bits()) - 2);
}

std::string to_text(const SubnetRange& range) {
  const std::uint64_t count = range.count();
  std::string text = fmt::format("network    {}\n", to_string(range.network));
  text += fmt::format("subnets    {}, one for each host: {} to {}\n",
                      count == UINT64_MAX ? "2^64 or more" : fmt::to_string(count),
                      to_string(range.at(0)), to_string(IpPrefix{range.last, range.subnet_len}));
  text += fmt::format("addresses  {} on each host, one of them the bridge's\n",
                      addresses_of(range.at(0)));
  return text;
}

}  // namespace

Result<NetworkReport> report_on(std::string_view config_text, std::uint32_t underlay_mtu) {
  ParsedConfig parsed = TRY(parse_network_config(config_text));
  TRY(read_move_notes(config_text));
  const HostFacts host = some_host(parsed.config, underlay_mtu);
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
  std::string text;
  for (const Family family : kFamilies) {
    if (const auto& range = config.at(family)) text += to_text(*range);
  }
  text += fmt::format("backend    {}\n", config.backend_type);
  text += fmt::format("mtu        {} where the interface between the hosts has {}\n",
                      report.overlay_mtu, report.underlay_mtu);
  return text;
}

}  // namespace flannel
