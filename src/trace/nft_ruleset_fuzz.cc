// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>

#include "trace/iptables_table.h"
#include "trace/nft_ruleset.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flannel;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const trace::Packet packet{.source = IpAddress::v4(10, 5, 1, 2),
                             .destination = IpAddress::v4(10, 5, 2, 3),
                             .in = "docker0",
                             .out = "flannel.1",
                             .protocol = "tcp",
                             .port = 80,
                             .in_ports = {"veth1", "veth2"}};
  const auto tables = trace::nft_tables({text, text}, packet, true);
  if (tables) (void)trace::find_drops(*tables);
  (void)trace::find_drops(trace::iptables_tables(text, "iptables", packet));
  return 0;
}
