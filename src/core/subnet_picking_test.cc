// SPDX-License-Identifier: Apache-2.0
#include "core/subnet_picking.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace flannel::subnet_picking_test {
namespace {

const IpAddress kUs = IpAddress::v4(192, 0, 2, 1);

NetworkConfig config(const std::string& text) {
  return parse_network_config(text).value().config;
}

const NodeTag kTag = decode_node_tag(std::string(32, 'a') + "/00000001").value();

Record record(const std::string& key, const std::string& public_ip) {
  return {key, "{\"PublicIP\":\"" + public_ip + "\"}", 1, "lease"};
}

Random always(std::uint64_t n) {
  return [n](std::uint64_t bound) { return std::min(n, bound - 1); };
}

// "create 10.5.1.0/24", "reuse ...", "discard ...", or the error's text.
std::string chosen(const NetworkConfig& network, const std::vector<Record>& records,
                   std::optional<const char*> previous = std::nullopt, Random random = always(0)) {
  std::optional<SubnetKey> before;
  if (previous) before = SubnetKey::of(IpPrefix::parse_v4(*previous).value());
  const auto choice =
      choose_subnet(network, decode_records(records), {{kUs, kTag, before}, true}, random);
  if (!choice) return choice.error().text;
  if (const auto* reuse = std::get_if<Reuse>(&*choice)) return "reuse " + reuse->own.record.key;
  if (const auto* gone = std::get_if<Discard>(&*choice)) return "discard " + gone->own.record.key;
  if (const auto* other = std::get_if<TakeOver>(&*choice))
    return "take over " + other->theirs.record.key;
  return "create " + to_string(std::get<Create>(*choice).subnet);
}

class SubnetPickingTest : public ::testing::Test {
 protected:
  NetworkConfig net = config(R"({"Network":"10.5.0.0/16"})");
  NetworkConfig small = config(R"({"Network":"10.5.0.0/28"})");  // three /30: .4 .8 .12
};

TEST_F(SubnetPickingTest, OwnRecordIsReused) {
  EXPECT_EQ(chosen(net, {record("10.5.7.0-24", "192.0.2.9"), record("10.5.9.0-24", "192.0.2.1")}),
            "reuse 10.5.9.0-24");
}

// A record of kUs that the node with this digit wrote in that boot.
Record by_node(const std::string& key, char digit, int boot, Revision at = 1) {
  return {key,
          "{\"PublicIP\":\"192.0.2.1\",\"NodeID\":\"" + std::string(32, digit) + "/0000000" +
              std::to_string(boot) + "\"}",
          at, "lease"};
}

// Registrars write further networks of a host with smaller keys than its own: the first record is
// not it.
TEST_F(SubnetPickingTest, OfSeveralOwnRecordsTheSurestIsReused) {
  const Record bare = record("10.5.1.0-24", "192.0.2.1");
  const Record same_boot = by_node("10.5.2.0-24", 'b', 1);
  const Record in_file = by_node("10.5.3.0-24", 'b', 2);
  const Record same_node = by_node("10.5.4.0-24", 'a', 2);
  EXPECT_EQ(chosen(net, {bare}), "reuse 10.5.1.0-24");
  EXPECT_EQ(chosen(net, {bare, same_boot}), "reuse 10.5.2.0-24");
  EXPECT_EQ(chosen(net, {bare, same_boot, in_file}, "10.5.3.0/24"), "reuse 10.5.3.0-24");
  EXPECT_EQ(chosen(net, {bare, same_boot, in_file, same_node}, "10.5.3.0/24"), "reuse 10.5.4.0-24");
  EXPECT_EQ(chosen(net, {bare, same_node}, "10.5.1.0/24"), "reuse 10.5.4.0-24");
  EXPECT_EQ(chosen(net, {same_node, by_node("10.5.5.0-24", 'a', 1)}, "10.5.5.0/24"),
            "reuse 10.5.5.0-24");
}

TEST_F(SubnetPickingTest, ARecordOfAnotherNodeIsTakenOverIfNothingElseIsOurs) {
  const Record old = by_node("10.5.7.0-24", 'b', 2, 5);
  const Record last = by_node("10.5.6.0-24", 'c', 3, 9);
  EXPECT_EQ(chosen(net, {last, old}), "take over 10.5.6.0-24") << "the last that was written";
  EXPECT_EQ(chosen(net, {by_node("10.6.7.0-24", 'b', 2), old}), "take over 10.5.7.0-24");
  EXPECT_EQ(chosen(net, {old}, "10.5.30.0/24"), "create 10.5.30.0/24");
  EXPECT_EQ(chosen(net, {old, record("10.5.30.0-24", "192.0.2.9")}, "10.5.30.0/24"),
            "take over 10.5.7.0-24");
  EXPECT_EQ(chosen(net, {old, record("10.5.9.0-24", "192.0.2.1")}), "reuse 10.5.9.0-24");
}

TEST_F(SubnetPickingTest, AnOwnLeaseIsDiscardedIfThePreviousSubnetIsFree) {
  const Record own = record("10.5.9.0-24", "192.0.2.1");
  const Record other = record("10.5.30.0-24", "192.0.2.9");
  Record reservation = own;
  reservation.expiry_handle.clear();
  EXPECT_EQ(chosen(net, {own}, "10.5.30.0/24"), "discard 10.5.9.0-24");
  EXPECT_EQ(chosen(net, {own, other}, "10.5.30.0/24"), "reuse 10.5.9.0-24");
  EXPECT_EQ(chosen(net, {own}, "10.6.30.0/24"), "reuse 10.5.9.0-24");
  EXPECT_EQ(chosen(net, {reservation}, "10.5.30.0/24"), "reuse 10.5.9.0-24");
}

TEST_F(SubnetPickingTest, ASubnetThatContainsAnUnderlayAddressIsNotLeased) {
  const NetworkConfig wide = config(R"({"Network":"192.0.0.0/16"})");
  const std::vector<Record> others{record("192.0.7.0-24", "192.0.4.9")};
  EXPECT_EQ(chosen(wide, others, {}, always(0)), "create 192.0.1.0/24");
  EXPECT_EQ(chosen(wide, others, {}, always(1)), "create 192.0.3.0/24");
  EXPECT_EQ(chosen(wide, others, {}, always(2)), "create 192.0.5.0/24");
  EXPECT_EQ(chosen(wide, others, "192.0.2.0/24"), "create 192.0.1.0/24");
  EXPECT_EQ(chosen(wide, {record("192.0.2.0-24", "192.0.2.1")}), "reuse 192.0.2.0-24");
}

TEST_F(SubnetPickingTest, OwnRecordThatDoesNotFitIsDiscarded) {
  EXPECT_EQ(chosen(net, {record("10.6.9.0-24", "192.0.2.1")}), "discard 10.6.9.0-24");
  EXPECT_EQ(chosen(net, {record("10.5.9.0-25", "192.0.2.1")}), "discard 10.5.9.0-25");
  EXPECT_EQ(chosen(net, {record("10.5.0.0-24", "192.0.2.1")}), "discard 10.5.0.0-24")
      << "before SubnetMin";
}

TEST_F(SubnetPickingTest, AReservationThatDoesNotFitIsKeptAndNamed) {
  Record reserved = record("10.6.9.0-24", "192.0.2.1");
  reserved.expiry_handle.clear();
  Record of_another = record("10.6.8.0-24", "192.0.2.9");
  of_another.expiry_handle.clear();
  Record of_its_length = record("10.5.9.0-25", "192.0.2.1");
  of_its_length.expiry_handle.clear();
  const std::vector<Record> records{reserved, of_another, of_its_length};
  EXPECT_EQ(chosen(net, records), "create 10.5.1.0/24");
  const auto without = reservations_without_effect(net, decode_records(records), kUs);
  ASSERT_EQ(without.size(), 2U);
  EXPECT_EQ(to_string(without[0]) + " " + to_string(without[1]), "10.6.9.0/24 10.5.9.0/25");
  const std::vector<Record> with_lease{reserved, record("10.6.7.0-24", "192.0.2.1")};
  EXPECT_EQ(chosen(net, with_lease), "discard 10.6.7.0-24");
}

TEST_F(SubnetPickingTest, OfSeveralOwnRecordsOneThatFitsIsReusedPreferablyThePrevious) {
  const std::vector<Record> three{record("10.4.1.0-24", "192.0.2.1"),
                                  record("10.5.8.0-24", "192.0.2.1"),
                                  record("10.5.9.0-24", "192.0.2.1")};
  EXPECT_EQ(chosen(net, three), "reuse 10.5.8.0-24");
  EXPECT_EQ(chosen(net, three, "10.5.9.0/24"), "reuse 10.5.9.0-24");
  EXPECT_EQ(chosen(net, three, "10.4.1.0/24"), "reuse 10.5.8.0-24");
}

TEST_F(SubnetPickingTest, PreviousSubnetIsTakenAgainIfNothingOverlapsIt) {
  EXPECT_EQ(chosen(net, {record("10.5.7.0-24", "192.0.2.9")}, "10.5.30.0/24"),
            "create 10.5.30.0/24");
  EXPECT_EQ(chosen(net, {record("10.5.30.0-24", "192.0.2.9")}, "10.5.30.0/24"),
            "create 10.5.1.0/24")
      << "another host has it now; it is never taken over";
  EXPECT_EQ(chosen(net, {record("10.5.30.128-25", "192.0.2.9")}, "10.5.30.0/24"),
            "create 10.5.1.0/24");
  EXPECT_EQ(chosen(net, {record("10.5.24.0-21", "192.0.2.9")}, "10.5.30.0/24"),
            "create 10.5.1.0/24");
}

// SubnetLen, SubnetMin or SubnetMax may have changed since.
TEST_F(SubnetPickingTest, ThePreviousSubnetIsKeptInsideOfTheNetworkAlone) {
  EXPECT_EQ(chosen(net, {}, "10.6.30.0/24"), "create 10.5.1.0/24");
  EXPECT_EQ(chosen(net, {}, "10.5.30.0/25"), "create 10.5.30.0/25");
  EXPECT_EQ(chosen(net, {}, "10.5.0.0/24"), "create 10.5.0.0/24");
  const std::vector<Record> ours = {record("10.5.30.0-25", "192.0.2.1")};
  EXPECT_EQ(chosen(net, ours, "10.5.30.0/25"), "reuse 10.5.30.0-25");
  EXPECT_EQ(chosen(net, ours), "discard 10.5.30.0-25") << "no container has an address of it";
}

TEST_F(SubnetPickingTest, TheWholeRangeIsDrawnFrom) {
  EXPECT_EQ(chosen(net, {}, std::nullopt, always(0)), "create 10.5.1.0/24");
  EXPECT_EQ(chosen(net, {}, std::nullopt, always(150)), "create 10.5.151.0/24");
  EXPECT_EQ(chosen(net, {}, std::nullopt, always(254)), "create 10.5.255.0/24");
  const NetworkConfig bounded =
      config(R"({"Network":"10.5.0.0/16","SubnetMin":"10.5.0.0","SubnetMax":"10.5.3.0"})");
  EXPECT_EQ(chosen(bounded, {}, std::nullopt, always(0)), "create 10.5.0.0/24");
  EXPECT_EQ(chosen(bounded, {}, std::nullopt, always(3)), "create 10.5.3.0/24");
}

TEST_F(SubnetPickingTest, LastSubnetIsFoundAndThenThereIsNone) {
  std::vector<Record> records{record("10.5.0.4-30", "192.0.2.4"),
                              record("10.5.0.8-30", "192.0.2.8")};
  EXPECT_EQ(chosen(small, records), "create 10.5.0.12/30");
  records.push_back(record("10.5.0.12-30", "192.0.2.12"));
  EXPECT_EQ(chosen(small, records),
            "out of subnets: all 3 of /30 from 10.5.0.4 to 10.5.0.12 are taken");
  const NetworkConfig around = config(R"({"Network":"192.0.2.0/28"})");
  EXPECT_EQ(chosen(around, {record("192.0.2.4-30", "192.0.2.9"), record("192.0.2.12-30", "x")}),
            "out of subnets: all 3 of /30 from 192.0.2.4 to 192.0.2.12 are taken, 1 of them by no "
            "lease: a host's own address lies in them");
  const auto choice = choose_subnet(small, decode_records(records), {kUs}, always(0));
  EXPECT_EQ(choice.error().kind, ErrorKind::exhausted);
}

TEST_F(SubnetPickingTest, RecordsOfAnyLengthBlockTheSubnetsTheyOverlap) {
  EXPECT_EQ(chosen(small, {record("10.5.0.0-29", "192.0.2.4"), record("10.5.0.13-32", "x")}),
            "create 10.5.0.8/30")
      << "the second key is none";
  EXPECT_EQ(chosen(small, {record("10.5.0.0-29", "192.0.2.4"), record("10.5.0.8-31", "192.0.2.5")}),
            "create 10.5.0.12/30");
  EXPECT_EQ(chosen(net, {record("10.5.0.0-17", "192.0.2.4"), record("10.5.6.0-24", "192.0.2.5")}),
            "create 10.5.128.0/24")
      << "one inside the other";
}

TEST_F(SubnetPickingTest, RecordWithAnUnreadableValueBlocksItsSubnet) {
  EXPECT_EQ(chosen(small, {{"10.5.0.4-30", "garbage", 1, ""}, {"junk", "{}", 1, ""}}),
            "create 10.5.0.8/30");
  EXPECT_EQ(chosen(small, {{"10.5.0.8-30", "{}", 1, ""}}, "10.5.0.8/30"), "create 10.5.0.4/30");
}

TEST_F(SubnetPickingTest, NoSubnetAroundAnAddressInUseIsTaken) {
  const auto choose = [&](std::vector<IpAddress> in_use, const char* previous) {
    const Chooser us{{kUs, std::nullopt, SubnetKey::of(IpPrefix::parse_v4(previous).value())}};
    const auto choice = choose_subnet(small, {}, us, always(0), in_use);
    return choice ? to_string(std::get<Create>(*choice).subnet) : choice.error().text;
  };
  EXPECT_EQ(choose({}, "10.5.0.4/30"), "10.5.0.4/30");
  EXPECT_EQ(choose({IpAddress::v4(10, 5, 0, 5), IpAddress::v4(198, 51, 100, 1)}, "10.5.0.4/30"),
            "10.5.0.8/30");
  EXPECT_EQ(choose({IpAddress::v4(10, 5, 0, 5), IpAddress::v4(10, 5, 0, 8)}, "10.5.0.4/30"),
            "10.5.0.12/30");
}

TEST_F(SubnetPickingTest, ARecordOutsideOfTheNetworkBlocksNothing) {
  EXPECT_EQ(chosen(small, {record("0.0.0.0-0", "192.0.2.4"), record("10.0.0.0-8", "192.0.2.5"),
                           record("10.6.0.0-24", "192.0.2.6")}),
            "create 10.5.0.4/30");
}

TEST_F(SubnetPickingTest, NetworksAtTheEndOfTheAddressSpaceDoNotWrap) {
  NetworkConfig top;  // a range that no text can give: .64 .128 .192 of /26
  top.v4.emplace().network = IpPrefix::parse_v4("255.255.255.0/24").value();
  top.v4->subnet_len = 26;
  top.v4->first = IpAddress::v4(255, 255, 255, 64);
  top.v4->last = IpAddress::v4(255, 255, 255, 192);
  EXPECT_EQ(chosen(top, {}, std::nullopt, always(2)), "create 255.255.255.192/26");
  EXPECT_EQ(chosen(top, {record("255.255.255.192-26", "192.0.2.4"),
                         record("255.255.255.64-26", "192.0.2.5")}),
            "create 255.255.255.128/26");
  EXPECT_NE(chosen(top, {record("255.255.255.0-24", "192.0.2.4")}).find("out of subnets"),
            std::string::npos);
}

TEST_F(SubnetPickingTest, EveryFreeSubnetIsEquallyLikely) {
  const NetworkConfig eight = config(
      R"({"Network":"10.5.0.0/26","SubnetLen":30,"SubnetMin":"10.5.0.0","SubnetMax":"10.5.0.60"})");
  const std::vector<Record> records{record("10.5.0.0-29", "192.0.2.4"),
                                    record("10.5.0.16-28", "192.0.2.5"),
                                    record("10.5.0.60-30", "192.0.2.6")};
  std::mt19937_64 engine{1};
  std::map<std::string, int> times;
  for (int i = 0; i < 9000; ++i) {
    ++times[chosen(eight, records, std::nullopt, [&](std::uint64_t bound) {
      return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(engine);
    })];
  }
  EXPECT_EQ(times.size(), 9U) << "16 subnets, 7 of them taken";
  for (const auto& [subnet, count] : times) {
    EXPECT_GT(count, 850) << subnet;
    EXPECT_LT(count, 1150) << subnet;
  }
}

TEST_F(SubnetPickingTest, PicksAmongSixtyFiveThousandSubnetsThatAreAlmostAllTaken) {
  const NetworkConfig big = config(R"({"Network":"10.0.0.0/8"})");
  DecodedRecords records;
  for (std::uint64_t n = 0; n < big.v4->count(); ++n) {
    if (n == 40000) continue;
    records.unreadable.push_back(SubnetKey::of(big.v4->at(n)));
  }
  const auto choice = choose_subnet(big, records, {kUs}, always(0));
  EXPECT_EQ(to_string(std::get<Create>(choice.value()).subnet), "10.156.65.0/24");
}

}  // namespace
}  // namespace flannel::subnet_picking_test
