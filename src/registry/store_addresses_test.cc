// SPDX-License-Identifier: Apache-2.0
#include "registry/store_addresses.h"

#include <gtest/gtest.h>

namespace flannel::store_addresses_test {
namespace {

std::vector<IpAddress> addresses(std::vector<std::string> endpoints) {
  StoreOptions options;
  options.endpoints = std::move(endpoints);
  return store_addresses(options);
}

TEST(StoreAddressesTest, AreThoseThatTheEndpointsName) {
  EXPECT_EQ(addresses({"http://192.0.2.9:2379", "https://192.0.2.8:2379/", "http://127.0.0.1:2379",
                       "http://[fd00::1]:2379", "nonsense"}),
            (std::vector<IpAddress>{IpAddress::v4(192, 0, 2, 8), IpAddress::v4(192, 0, 2, 9),
                                    IpAddress::parse("fd00::1").value()}));
  EXPECT_TRUE(addresses({}).empty());
  StoreOptions sqlite;
  sqlite.kind = StoreKind::sqlite;
  sqlite.endpoints = {"http://192.0.2.9:2379"};
  EXPECT_TRUE(store_addresses(sqlite).empty());
}

// A name stands for what we are connected to; a table of the kernel's, with sockets of others.
TEST(StoreAddressesTest, ReadsConnectionsOfOurSockets) {
  const std::string table =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
      "inode\n"
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
      "7\n"
      "   1: 0302000A:9C40 090200C0:094B 01 00000000:00000000 00:00000000 00000000     0        0 "
      "8 "
      "1 x 20 4 30 10 -1\n"
      "   2: 0302000A:9C42 0A0200C0:094B 02 00000000:00000000 00:00000000 00000000     0        0 "
      "9\n"
      "   3: 0302000A:9C44 0B0200C0:094B 01 00000000:00000000 00:00000000 00000000     0        0 "
      "1\n"
      "   4: 0302000A:9C46 0C0200C0:094B 06 00000000:00000000 00:00000000 00000000     0        0 "
      "8\n"
      "   5: 0000000000000000FFFF00000302000A:9C48 0000000000000000FFFF00000D0200C0:094B 01 "
      "00000000:00000000 00:00000000 00000000     0        0 8\n"
      "   6: 000080FE000000000000000001000000:9C4A 000080FE000000000000000002000000:094B 01 "
      "00000000:00000000 00:00000000 00000000     0        0 8\n";
  EXPECT_EQ(parse_connections(table, {"8", "9"}),
            (std::vector<IpEndpoint>{{IpAddress::v4(192, 0, 2, 9), 2379},
                                     {IpAddress::v4(192, 0, 2, 10), 2379},
                                     {IpAddress::v4(192, 0, 2, 13), 2379},
                                     {IpAddress::parse("fe80::2").value(), 2379}}));
}

}  // namespace
}  // namespace flannel::store_addresses_test
