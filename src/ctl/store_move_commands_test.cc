// SPDX-License-Identifier: Apache-2.0
// The commands of a move between two stores, each with a network of its own.
#include <filesystem>

#include "core/lease.h"
#include "core/move_notes.h"
#include "support/ctl_fixture.h"

namespace flannel::store_move_commands_test {
namespace {

constexpr const char* kOld = "memory:#/coreos.com/network";
constexpr const char* kNewPrefix = "/moved/network";
constexpr const char* kNew = "memory:#/moved/network";

std::string value_of(int node, const std::string& public_ip) {
  LeaseAttributes attributes{.public_ip = IpAddress::parse_v4(public_ip).value()};
  if (node != 0) {
    attributes.node.emplace();
    attributes.node->id.bytes[0] = static_cast<std::uint8_t>(node);
  }
  return encode_lease_value(attributes);
}

class StoreCommandsTest : public CtlTest {
 protected:
  StoreCommandsTest() {
    ctl({"config", "set", kVxlan});
    lease("10.5.1.0-24", value_of(1, "192.0.2.1"));
    lease("10.5.2.0-24", value_of(2, "192.0.2.2"));
    store->put(kPrefix, "10.5.3.0-24", value_of(0, "192.0.2.3"));
  }
  ~StoreCommandsTest() override { clear(kNewPrefix); }

  void clear(const char* prefix) {
    store->remove_config(prefix);
    for (const Record& record : store->snapshot(prefix).records)
      store->remove(prefix, record.key);
  }
  // A host does what its daemon does: it writes its own record in the new store.
  void follow(const std::string& key, const std::string& value) {
    store->put(kNewPrefix, key, value, std::chrono::hours(24), BootClock::now());
  }
  MoveNotes notes_in(const std::string& prefix) const {
    const auto snapshot = store->snapshot(prefix);
    return snapshot.config ? read_move_notes(snapshot.config->text).value() : MoveNotes();
  }
  std::size_t copies() const {
    std::size_t count = 0;
    for (const Record& record : store->snapshot(kNewPrefix).records)
      count += has_copy_mark(record.value) ? 1 : 0;
    return count;
  }
};

TEST_F(StoreCommandsTest, ACopyHasEverythingAndBothNotes) {
  const Said said = ctl({"store", "copy", kOld, kNew});
  EXPECT_EQ(said.err, "");
  EXPECT_EQ(
      said.out,
      R"(3 records copied to memory:#/moved/network. The hosts follow now; memory: decides until it is retired:
  flannelctl store status memory:
  flannelctl store retire memory:
)");
  EXPECT_EQ(store->snapshot(kNewPrefix).records.size(), 3U);
  EXPECT_EQ(copies(), 2U) << "a reservation without a host is nobody's to write";
  ASSERT_TRUE(notes_in(kPrefix).to && notes_in(kNewPrefix).from);
  EXPECT_EQ(notes_in(kPrefix).to->id, notes_in(kNewPrefix).from->id);
  EXPECT_EQ(to_string(notes_in(kPrefix).to->store), kNew);
}

TEST_F(StoreCommandsTest, ADryRunShowsItAndWritesNothing) {
  const Said said = ctl({"store", "copy", "--dry-run", kOld, kNew});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.out.find("copy  10.5.1.0-24  lease        86"), std::string::npos) << said.out;
  EXPECT_NE(said.out.find("copy  10.5.3.0-24  reservation  for ever  192.0.2.3"),
            std::string::npos);
  EXPECT_TRUE(store->snapshot(kNewPrefix).records.empty());
  EXPECT_FALSE(notes_in(kPrefix).to);
}

TEST_F(StoreCommandsTest, ASecondCopyGoesOnWithTheFirst) {
  ctl({"store", "copy", kOld, kNew});
  const auto id = notes_in(kPrefix).to->id;
  follow("10.5.1.0-24", value_of(1, "192.0.2.1"));
  lease("10.5.9.0-24", value_of(9, "192.0.2.9"));
  EXPECT_EQ(ctl({"store", "copy", kOld, kNew}).err, "");
  EXPECT_EQ(notes_in(kPrefix).to->id, id);
  EXPECT_EQ(copies(), 2U);
  EXPECT_EQ(store->snapshot(kNewPrefix).records.size(), 4U);
}

TEST_F(StoreCommandsTest, TheOldStoreIsRetiredOnceAllHostsHaveFollowed) {
  ctl({"store", "copy", kOld, kNew});
  follow("10.5.1.0-24", value_of(1, "192.0.2.1"));
  Said said = ctl({"store", "retire", kOld});
  EXPECT_EQ(said.code, 1);
  EXPECT_EQ(said.err, R"(flannelctl: warning: 192.0.2.2 (10.5.2.0/24) has not followed yet
flannelctl: 1 of 3 hosts have not followed, nothing is changed; --force leaves them behind until they reach memory:#/moved/network
)");
  EXPECT_FALSE(notes_in(kPrefix).to->retired);
  EXPECT_FALSE(notes_in(kNewPrefix).from->retired);
  said = ctl({"store", "status", kOld});
  EXPECT_EQ(said.out, R"(SUBNET       PUBLIC-IP  KIND         STATE
10.5.1.0/24  192.0.2.1  lease        has followed
10.5.2.0/24  192.0.2.2  lease        has not followed yet
10.5.3.0/24  192.0.2.3  reservation  reservation, is in both stores
memory: moves to memory:#/moved/network: 2 of 3 have followed
)");
  follow("10.5.2.0-24", value_of(2, "192.0.2.2"));
  said = ctl({"store", "retire", kOld, kNew});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_TRUE(notes_in(kPrefix).to->retired);
  EXPECT_TRUE(notes_in(kNewPrefix).from->retired);
}

TEST_F(StoreCommandsTest, ByForceHostsAreLeftBehindAndTheirLeasesCopied) {
  ctl({"store", "copy", kOld, kNew});
  lease("10.5.9.0-24", value_of(9, "192.0.2.9"));
  const Said said = ctl({"store", "retire", "--force", kOld});
  EXPECT_EQ(said.code, 0);
  EXPECT_TRUE(said.out.starts_with("the lease of 192.0.2.9 on 10.5.9.0/24 is copied\n"))
      << said.out;
  EXPECT_TRUE(notes_in(kNewPrefix).from->retired);
  EXPECT_EQ(copies(), 3U);
}

TEST_F(StoreCommandsTest, AConfigurationThatChangedMeanwhileIsCopiedAgain) {
  ctl({"store", "copy", kOld, kNew});
  follow("10.5.1.0-24", value_of(1, "192.0.2.1"));
  follow("10.5.2.0-24", value_of(2, "192.0.2.2"));
  const MoveNotes notes = notes_in(kPrefix);
  store->put_config(kPrefix, with_move_notes(kHostGw, notes).value());
  const Said said = ctl({"store", "retire", kOld});
  EXPECT_NE(said.err.find("the two stores have different configurations"), std::string::npos)
      << said.err;
  EXPECT_FALSE(notes_in(kPrefix).to->retired);
  EXPECT_EQ(ctl({"store", "copy", kOld, kNew}).code, 0);
  EXPECT_EQ(ctl({"store", "retire", kOld}).code, 0);
}

TEST_F(StoreCommandsTest, ARetirementThatWasInterruptedIsRunToItsEnd) {
  ctl({"store", "copy", kOld, kNew});
  MoveNotes notes = notes_in(kPrefix);
  notes.to->retired = true;
  store->put_config(kPrefix, with_move_notes(kVxlan, notes).value());
  EXPECT_EQ(ctl({"store", "retire", kOld}).code, 0);
  EXPECT_TRUE(notes_in(kNewPrefix).from->retired);
}

TEST_F(StoreCommandsTest, AMoveIsGivenUp) {
  EXPECT_EQ(ctl({"store", "abandon", kOld}).err, "flannelctl: memory: does not move\n");
  ctl({"store", "copy", kOld, kNew});
  follow("10.5.1.0-24", value_of(1, "192.0.2.1"));
  const Said said = ctl({"store", "abandon", kOld});
  EXPECT_EQ(said.err, "");
  EXPECT_EQ(said.out, R"(the move to memory:#/moved/network is given up
1 copies are removed there; 2 other records stay: leases of hosts that had followed, until they expire, and reservations
)");
  EXPECT_FALSE(notes_in(kPrefix).to);
  EXPECT_TRUE(notes_in(kNewPrefix).from) << "a host that starts there goes back";
  const auto left = store->snapshot(kNewPrefix).records;
  ASSERT_EQ(left.size(), 2U);
  EXPECT_EQ(left[0].value, value_of(1, "192.0.2.1")) << "its host has written it";
  EXPECT_EQ(left[1].key, "10.5.3.0-24");
  EXPECT_EQ(store->snapshot(kPrefix).records.size(), 3U);
}

TEST_F(StoreCommandsTest, CopiesOfAnotherMoveAreLeftAlone) {
  ctl({"store", "copy", kOld, kNew});
  MoveNotes other = notes_in(kNewPrefix);
  other.from->id = "77";
  store->put_config(kNewPrefix, with_move_notes(kVxlan, other).value());
  const Said said = ctl({"store", "abandon", kOld});
  EXPECT_EQ(said.code, 0);
  EXPECT_EQ(said.err,
            "flannelctl: warning: the copies there stay until they expire, and have no effect: "
            "memory:#/moved/network has no note of this move\n");
  EXPECT_EQ(copies(), 2U);
  EXPECT_FALSE(notes_in(kPrefix).to);
}

TEST_F(StoreCommandsTest, AnotherConfigurationKeepsTheNoteOfTheStore) {
  ctl({"store", "copy", kOld, kNew});
  const MoveNotes notes = notes_in(kPrefix);
  EXPECT_EQ(ctl({"config", "set", kHostGw}).err, "");
  EXPECT_TRUE(notes_in(kPrefix).to);
  EXPECT_EQ(notes_in(kPrefix), notes);
  EXPECT_NE(ctl({"config", "get"}).out.find("host-gw"), std::string::npos);
  EXPECT_EQ(ctl({"config", "set", kHostGw}).out,
            "unchanged, the store has this configuration already\n");
  const Said same = ctl({"config", "set", "-"}, ctl({"config", "get"}).out);
  EXPECT_EQ(same.code, 0) << same.err;
}

TEST_F(StoreCommandsTest, ANoteIsNotChangedByAccident) {
  ctl({"store", "copy", kOld, kNew});
  MoveNotes other = notes_in(kPrefix);
  other.to->retired = true;
  const Said said = ctl({"config", "set", with_move_notes(kHostGw, other).value()});
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.err.find("other notes about a move"), std::string::npos) << said.err;
  EXPECT_FALSE(notes_in(kPrefix).to->retired);
  const Said forced = ctl({"config", "set", "--force", kHostGw});
  EXPECT_EQ(forced.code, 0);
  EXPECT_NE(forced.err.find("MovedFrom) in the store are not kept\n"), std::string::npos);
  EXPECT_FALSE(notes_in(kPrefix).to);
}

TEST_F(StoreCommandsTest, MistakesAreNamed) {
  EXPECT_NE(ctl({"store", "copy", "etcd4:x", kNew}).err.find("is not like etcd3:"),
            std::string::npos);
  EXPECT_EQ(ctl({"store", "copy", kOld, kOld}).err,
            "flannelctl: a store cannot be copied to itself\n");
  EXPECT_EQ(ctl({"store", "status", "sqlite:/nonexistent/leases.db"}).code, 1);
  EXPECT_EQ(ctl({"config", "check", R"({"Network":"10.5.0.0/16","MovedTo":{"Id":"!"}})"}).code, 1);
}

TEST_F(StoreCommandsTest, ACopyIntoAFileMakesIt) {
  char name[] = "/tmp/flannel-move-XXXXXX";
  const std::string folder = ::mkdtemp(name);
  const std::string file = "sqlite:" + folder + "/leases.db";
  EXPECT_EQ(ctl({"store", "copy", "--dry-run", kOld, file}).code, 0);
  EXPECT_FALSE(std::filesystem::exists(folder + "/leases.db"));
  EXPECT_EQ(ctl({"store", "copy", kOld, file}).err, "");
  const Said there = ctl({"--store=" + file, "leases"});
  EXPECT_NE(there.out.find("10.5.2.0/24"), std::string::npos) << there.out << there.err;
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace flannel::store_move_commands_test
