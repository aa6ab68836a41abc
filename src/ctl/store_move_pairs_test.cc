// SPDX-License-Identifier: Apache-2.0
// Moves between each pair of real stores, there and back.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "core/lease.h"
#include "ctl/command_line.h"
#include "ctl/store_commands.h"
#include "support/consul_server.h"
#include "support/etcd_server.h"

namespace flannel::store_move_pairs_test {
namespace {

using std::chrono::hours;
using Kind = StoreAddress::Kind;

constexpr const char* kConfig = R"({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}})";

// The servers that all pairs share; started when they are first needed.
struct Servers {
  std::unique_ptr<EtcdServer> etcd;
  std::unique_ptr<ConsulServer> consul;
  TemporaryFolder folder;
};

class StorePairTest : public ::testing::TestWithParam<std::tuple<Kind, Kind>> {
 protected:
  static void SetUpTestSuite() { servers_ = std::make_unique<Servers>(); }
  static void TearDownTestSuite() { servers_.reset(); }

  // The address of a store for this pair; nullopt: its server is not installed.
  std::optional<StoreAddress> address(Kind kind) const {
    StoreAddress address{.kind = kind};
    address.prefix += "/" + pair();
    if (kind == Kind::sqlite) {
      address.path = servers_->folder.path() + "/" + pair() + ".db";
    } else if (kind == Kind::consul) {
      if (ConsulServer::program().empty()) return std::nullopt;
      if (!servers_->consul) servers_->consul = ConsulServer::start().value();
      address.endpoints = {servers_->consul->url()};
    } else {
      if (!EtcdServer::installed()) return std::nullopt;
      if (!servers_->etcd) servers_->etcd = EtcdServer::start({}, {.v2 = true}).value();
      address.endpoints = {servers_->etcd->url()};
    }
    return address;
  }
  static std::string pair() {
    const auto [from, to] = GetParam();
    return std::string(to_string(from)) + "_" + std::string(to_string(to));
  }

  static std::string ctl(std::vector<std::string> words) {
    std::istringstream in;
    std::ostringstream out, err;
    const auto no_environment = [](const std::string&) -> const char* { return nullptr; };
    const int code = run_ctl(words, no_environment, {in, out, err});
    return code == 0 && err.str().empty() ? "done" : err.str();
  }
  static OpenStore open(const StoreAddress& address) {
    auto store = OpenStore::open_target(address, CtlOptions(), true);
    EXPECT_TRUE(store) << store.error().text;
    return *std::move(store);
  }
  static std::string value_of(std::uint8_t node) {
    LeaseAttributes attributes{.public_ip = IpAddress::v4(192, 0, 2, node),
                               .backend_type = "vxlan"};
    attributes.node.emplace();
    attributes.node->id.bytes[0] = node;
    return encode_lease_value(attributes);
  }

  // "10.5.1.0-24 lease {...}", a line for each record, without the marks of copies.
  static std::string leases_of(const StoreAddress& address) {
    std::string text;
    for (const Record& record : open(address).snapshot.records) {
      text += record.key + (record.expires() ? " lease " : " reservation ") +
              to_string(decode_lease_value(record.value)->public_ip) + "\n";
    }
    return text;
  }
  static std::size_t copies_in(const StoreAddress& address) {
    const OpenStore store = open(address);
    return static_cast<std::size_t>(std::ranges::count_if(
        store.snapshot.records, [](const Record& record) { return has_copy_mark(record.value); }));
  }
  static void expect_lives_within(std::chrono::seconds longest, const StoreAddress& address) {
    const auto lives = open(address).remaining_lives();
    ASSERT_TRUE(lives) << lives.error().text;
    EXPECT_EQ(lives->left.size(), 1U) << "the other records are reservations";
    for (const auto& [key, left] : lives->left)
      EXPECT_LE(left, longest) << key;
  }
  // Writes the records of hosts as their daemons do.
  static void follow(const StoreAddress& from, const StoreAddress& to) {
    OpenStore store = open(to);
    for (const Record& record : open(from).snapshot.records) {
      for (const Record& there : store.snapshot.records) {
        if (there.key != record.key || !has_copy_mark(there.value)) continue;
        const auto written =
            store.session.replace(there, record.value, record.expires() ? Ttl(hours(1)) : Ttl());
        EXPECT_TRUE(written) << written.error().text;
      }
    }
  }
  static void move(const StoreAddress& from, const StoreAddress& to) {
    const std::string leases = leases_of(from);
    ASSERT_EQ(ctl({"store", "copy", to_string(from), to_string(to)}), "done");
    EXPECT_EQ(leases_of(to), leases);
    EXPECT_EQ(copies_in(to), 2U);
    expect_lives_within(hours(1), to);
    EXPECT_NE(ctl({"store", "retire", to_string(from)}), "done");
    follow(from, to);
    EXPECT_EQ(ctl({"store", "copy", to_string(from), to_string(to)}), "done") << "once more";
    EXPECT_EQ(copies_in(to), 0U);
    EXPECT_EQ(ctl({"store", "retire", to_string(from)}), "done");
    EXPECT_EQ(leases_of(to), leases);
    EXPECT_TRUE(open(from).notes.to->retired);
    EXPECT_TRUE(open(to).notes.from->retired);
  }

 private:
  static std::unique_ptr<Servers> servers_;
};
std::unique_ptr<Servers> StorePairTest::servers_;

TEST_P(StorePairTest, AClusterMovesThereAndBack) {
  const auto old = address(std::get<0>(GetParam()));
  const auto now = address(std::get<1>(GetParam()));
  if (!old || !now) GTEST_SKIP() << "a server is not installed";
  OpenStore store = open(*old);
  ASSERT_TRUE(store.session.write_config(kConfig, 0));
  ASSERT_TRUE(store.session.create("10.5.9.0-24", value_of(1), hours(1)));
  ASSERT_TRUE(store.session.create("10.5.3.0-24", value_of(2), std::nullopt));
  const std::string reserved = encode_lease_value({.public_ip = IpAddress::v4(192, 0, 2, 3)});
  ASSERT_TRUE(store.session.create("10.5.4.0-24", reserved, std::nullopt));
  move(*old, *now);
  if (!HasFailure()) move(*now, *old);
}

constexpr Kind kKinds[] = {Kind::etcd2, Kind::etcd3, Kind::consul, Kind::sqlite};

std::vector<std::tuple<Kind, Kind>> pairs() {
  std::vector<std::tuple<Kind, Kind>> all;
  for (const Kind from : kKinds) {
    for (const Kind to : kKinds) {
      if (from < to) all.emplace_back(from, to);  // each moves back as well
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Stores, StorePairTest, ::testing::ValuesIn(pairs()),
                         [](const auto& param) {
                           return std::string(to_string(std::get<0>(param.param))) + "_" +
                                  std::string(to_string(std::get<1>(param.param)));
                         });

}  // namespace
}  // namespace flannel::store_move_pairs_test
