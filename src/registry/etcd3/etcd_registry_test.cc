// SPDX-License-Identifier: Apache-2.0
// What is special about etcd: leases, an etcd that goes away, answers that get lost. What every
// store promises is in conformance_test.cc, TLS and users are in etcd_access_test.cc.
#include "registry/etcd3/etcd_registry.h"
#include "registry/etcd3/snapshot_call.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "registry/open_registry.h"
#include "support/blocking_registry.h"
#include "support/etcd_server.h"
#include "support/tcp_relay.h"

namespace flannel::etcd_registry_test {
namespace {

using std::chrono::seconds;

const std::string kSubnets = "/coreos.com/network/subnets/";

class EtcdTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdServer::installed()) {
      GTEST_SKIP() << "etcd and etcdctl are not installed: etcd v3 IS NOT TESTED";
    }
    etcd = EtcdServer::start().value();
    session = open({etcd->url()});
  }

  std::unique_ptr<BlockingRegistry> open(const std::vector<std::string>& urls) {
    StoreOptions options;
    options.endpoints = urls;
    return std::make_unique<BlockingRegistry>(open_registry(options, loop.loop()).value(), loop);
  }

  Revision now() { return session->snapshot().value().revision; }

  // From an etcd that first has to come to itself: it may be without a leader for a moment.
  Snapshot snapshot_in_the_end() {
    for (int tries = 0; tries < 50; ++tries) {
      if (auto all = session->snapshot()) return *std::move(all);
      loop.pass(std::chrono::milliseconds(100));
    }
    return session->snapshot().value();
  }

  // As upstream or an operator would; the id as etcdctl writes it.
  std::string grant(int ttl) {
    const std::string granted = etcd->ctl({"lease", "grant", std::to_string(ttl)}).value();
    return granted.substr(6, granted.find(' ', 6) - 6);  // "lease ID granted with..."
  }

  int lease_count() {
    const std::string list = etcd->ctl({"lease", "list"}).value();  // "found 2 leases\n..."
    return std::stoi(list.substr(list.find(' ')));
  }

  PatientLoop loop;
  std::unique_ptr<EtcdServer> etcd;
  std::unique_ptr<BlockingRegistry> session;
};

TEST_F(EtcdTest, KeysAreWhereFlannelHasThem) {
  ASSERT_TRUE(session->create(kOne, "{\"PublicIP\":\"192.0.2.1\"}", kDay));
  ASSERT_TRUE(session->write_config("{}", 0));
  EXPECT_EQ(
      etcd->ctl({"get", "--prefix", "/coreos.com/network/"}).value(),
      "/coreos.com/network/config\n{}\n" + kSubnets + kOne + "\n{\"PublicIP\":\"192.0.2.1\"}\n");
}

TEST_F(EtcdTest, WhatIsOutsideOfConfigAndSubnetsIsIgnored) {
  WatchLog watch(*session, now(), loop);
  for (const char* key : {"/coreos.com/network/subnets-lock", "/coreos.com/network/subnets",
                          "/coreos.com/network/configuration", "/coreos.com/network/foo"}) {
    ASSERT_TRUE(etcd->ctl({"put", key, "x"}));
  }
  ASSERT_TRUE(etcd->ctl({"put", kSubnets + "not-a-subnet", "x"}));
  ASSERT_TRUE(watch.reports("put"));
  EXPECT_EQ(watch.text(), "put not-a-subnet=\n|\n");
  EXPECT_EQ(session->snapshot().value().records.size(), 1U);
}

TEST_F(EtcdTest, OneLeasePerRecordAndNoneLeftBehind) {
  const Record one = record_of(kOne, "one", session->create(kOne, "one", kDay).value());
  EXPECT_EQ(lease_count(), 1);
  EXPECT_EQ(session->create(kOne, "late", kDay).error().kind, ErrorKind::exists);
  const WriteResult kept = session->replace(one, "again", kDay).value();
  EXPECT_EQ(kept.expiry_handle, one.expiry_handle);
  EXPECT_EQ(session->replace(one, "stale", kDay).error().kind, ErrorKind::conflict);
  ASSERT_TRUE(session->renew(record_of(kOne, "again", kept), kDay));
  ASSERT_TRUE(session->snapshot());  // a revocation that nobody waited for has been sent before
  EXPECT_EQ(lease_count(), 1);
  ASSERT_TRUE(session->replace(record_of(kOne, "again", kept), "reserved", {}));
  ASSERT_TRUE(session->create(kTwo, "two", kDay));
  EXPECT_EQ(lease_count(), 1);
  const Record two = session->snapshot().value().records.at(1);
  ASSERT_TRUE(session->release(two));
  ASSERT_TRUE(session->snapshot());
  EXPECT_EQ(lease_count(), 0);
}

// Each process finds the record of the one before; every other one has something else to say.
TEST_F(EtcdTest, AfterTwentyRestartsThereIsOneLease) {
  Record record = record_of(kOne, "0", session->create(kOne, "0", kDay).value());
  for (int i = 1; i <= 20; ++i) {
    session = open({etcd->url()});
    record = session->snapshot().value().records.at(0);
    ASSERT_TRUE(session->renew(record, kDay));
    if (i % 2 != 0) continue;
    ASSERT_TRUE(session->replace(record, std::to_string(i), kDay));
  }
  EXPECT_EQ(lease_count(), 1);
}

TEST_F(EtcdTest, ALeaseThatNothingLivesByIsFoundByTheNextList) {
  const Record one = record_of(kOne, "one", session->create(kOne, "one", kDay).value());
  ASSERT_TRUE(etcd->ctl({"put", kSubnets + kOne, "reserved by hand"}));
  EXPECT_EQ(lease_count(), 1);
  ASSERT_TRUE(session->snapshot());
  ASSERT_TRUE(session->snapshot()) << "by then the revocation has been sent";
  EXPECT_EQ(lease_count(), 0);
}

TEST_F(EtcdTest, ALeaseThatUpstreamGrantedIsKeptAlive) {
  const std::string id = grant(600);
  ASSERT_TRUE(etcd->ctl({"put", "--lease", id, kSubnets + kOne, "theirs"}));
  const Record theirs = session->snapshot().value().records.at(0);
  EXPECT_EQ(fmt::format("{:016x}", lease_of(theirs.expiry_handle)), id);
  const WriteResult renewed = session->renew(theirs, seconds(600)).value();
  EXPECT_EQ(renewed.revision, theirs.revision);
  EXPECT_EQ(renewed.expiry_handle, theirs.expiry_handle);
  const WriteResult replaced = session->replace(theirs, "ours", seconds(600)).value();
  EXPECT_EQ(replaced.expiry_handle, theirs.expiry_handle);
  ASSERT_TRUE(session->release(record_of(kOne, "ours", replaced)));
  ASSERT_TRUE(session->snapshot());
  EXPECT_EQ(lease_count(), 1) << "another key may be attached to it";
}

// --subnet-lease-ttl was changed, and the agent started again.
TEST_F(EtcdTest, ARecordOfAnEarlierRunTakesTheTtlOfThisOne) {
  const WriteResult first = session->create(kOne, "one", seconds(600)).value();
  WatchLog watch(*session, first.revision, loop);
  const auto second_run = open({etcd->url()});
  const WriteResult renewed = second_run->renew(record_of(kOne, "one", first), kDay).value();
  EXPECT_EQ(renewed.ttl, kDay);
  EXPECT_NE(renewed.expiry_handle, first.expiry_handle);
  EXPECT_EQ(second_run->renew(record_of(kOne, "one", renewed), kDay)->revision, renewed.revision);
  ASSERT_TRUE(etcd->ctl({"lease", "revoke", fmt::format("{:x}", lease_of(first.expiry_handle))}));
  EXPECT_EQ(session->snapshot().value().records.at(0), record_of(kOne, "one", renewed));
  // Of two changes soon after one another etcd may make one message.
  ASSERT_TRUE(watch.reports("one"));

  const auto third_run = open({etcd->url()});
  const WriteResult replaced =
      third_run->replace(record_of(kOne, "one", renewed), "two", seconds(600)).value();
  EXPECT_EQ(replaced.ttl, seconds(600));
  ASSERT_TRUE(watch.reports("two"));
  EXPECT_EQ(watch.text(), "put " + kOne + "=one\n|\nput " + kOne + "=two\n|\n");
}

// Asked for no time at all, etcd grants its shortest.
TEST_F(EtcdTest, ATtlThatEtcdRaisedIsNotAskedForAtEachRenewal) {
  const WriteResult held = session->create(kOne, "one", seconds(600)).value();
  session = open({etcd->url()});
  const WriteResult raised = session->renew(record_of(kOne, "one", held), seconds(0)).value();
  EXPECT_GT(raised.ttl, seconds(1));
  EXPECT_EQ(session->renew(record_of(kOne, "one", raised), seconds(0))->revision, raised.revision);
}

TEST_F(EtcdTest, AllChangesOfOneRevisionComeInOneCall) {
  WatchLog watch(*session, now(), loop);
  const std::string id = grant(600);
  ASSERT_TRUE(etcd->ctl({"put", "--lease", id, kSubnets + kOne, "1"}));
  ASSERT_TRUE(etcd->ctl({"put", "--lease", id, kSubnets + kTwo, "2"}));
  ASSERT_TRUE(watch.reports("put", 2));
  ASSERT_TRUE(etcd->ctl({"lease", "revoke", id}));
  ASSERT_TRUE(watch.reports("gone", 2));
  EXPECT_TRUE(watch.text().ends_with("|\ngone " + kOne + "\ngone " + kTwo + "\n|\n"))
      << watch.text();
}

TEST_F(EtcdTest, AnAnswerInFragmentsIsPutTogether) {
  const Revision before = now();
  const std::string big(1 << 20, 'x');  // etcd breaks answers at 1.5 MiB
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(session->create(fmt::format("10.5.{}.0-24", i), big, {}));
  }
  WatchLog watch(*session, before, loop);
  ASSERT_TRUE(watch.reports("put", 5));
  EXPECT_EQ(watch.reached(), now());
}

TEST_F(EtcdTest, ASnapshotOfMoreThanOnePageIsOfOneRevision) {
  constexpr int kMany = 10050;
  int begun = 0, written = 0;
  std::function<void()> write_next = [&] {
    if (begun == kMany) return;
    const std::string key = fmt::format("10.{}.{}.0-24", begun / 256, begun % 256);
    ++begun;
    session->registry().create_if_absent(key, "x", {}, [&](const Result<WriteResult>& held) {
      EXPECT_TRUE(held) << held.error().text;
      if (++written % 1000 == 0 || written == kMany) loop.check();
      write_next();
    });
  };
  for (int at_once = 0; at_once < 100; ++at_once)
    write_next();
  while (written < kMany)
    ASSERT_TRUE(loop.until([&, so_far = written] { return written > so_far; }));
  const Snapshot all = session->snapshot().value();
  EXPECT_EQ(all.records.size(), static_cast<std::size_t>(kMany));
  EXPECT_TRUE(std::is_sorted(all.records.begin(), all.records.end(),
                             [](const Record& a, const Record& b) { return a.key < b.key; }));
}

// 20 MB: more than one message of gRPC may have, and more than a host should have in memory at
// once.
TEST_F(EtcdTest, OfRecordsThatNoMessageHoldsTogetherAListHasTheSizes) {
  const std::string long_value(100'000, 'x');
  for (int i = 0; i < 200; ++i) {
    const auto created = session->create(fmt::format("10.5.{}.0-24", i), long_value, {});
    ASSERT_TRUE(created) << i << ": " << created.error().text;
  }
  ASSERT_TRUE(session->create("10.5.200.0-24", "one", {}));
  const auto all = session->snapshot();
  ASSERT_TRUE(all) << all.error().text;
  ASSERT_EQ(all->records.size(), 201U);
  for (const Record& record : all->records) {
    const bool last = record.key == "10.5.200.0-24";
    EXPECT_EQ(record.left_out, last ? 0 : long_value.size());
    EXPECT_EQ(record.value, last ? "one" : "");
  }
}

TEST_F(EtcdTest, AnEtcdThatWasKilledIsMissedAndTakenUpAgain) {
  ASSERT_TRUE(session->create(kOne, "one", kDay));
  WatchLog watch(*session, now(), loop);
  const Revision before = now();
  etcd->stop();
  ASSERT_TRUE(watch.reports("disconnected"));
  EXPECT_EQ(watch.error().kind, ErrorKind::unavailable);
  const auto away = session->snapshot();
  EXPECT_EQ(away.error().kind, ErrorKind::unavailable);
  EXPECT_NE(away.error().text.find("read /coreos.com/network: " + etcd->url()), std::string::npos)
      << away.error().text;
  WatchLog none(*session, before, loop);
  ASSERT_TRUE(none.reports("disconnected"));

  ASSERT_TRUE(etcd->start_again());
  ASSERT_TRUE(etcd->ctl({"put", kSubnets + kTwo, "meanwhile"}));
  WatchLog resumed(*session, watch.reached(), loop);
  ASSERT_TRUE(resumed.reports("put " + kTwo + "=meanwhile"));
  EXPECT_EQ(session->snapshot().value().records.size(), 2U);
}

TEST_F(EtcdTest, AFrozenEtcdIsNoticed) {
  WatchLog watch(*session, now(), loop);
  etcd->freeze();
  const auto lost = session->create(kOne, "one", {});
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().kind, ErrorKind::unavailable) << lost.error().text;
  EXPECT_TRUE(watch.reports("disconnected"));
  etcd->thaw();
  // The next snapshot shows whether the lost write took effect; it did so at most once.
  const Snapshot all = snapshot_in_the_end();
  for (const Record& record : all.records)
    EXPECT_EQ(record.value, "one");
}

TEST_F(EtcdTest, ClosingDoesNotWaitForAFrozenEtcd) {
  WatchLog watch(*session, now(), loop);
  etcd->freeze();
  session->registry().snapshot([](const Result<Snapshot>&) { ADD_FAILURE(); });
  watch.drop();
  session->close();
  etcd->thaw();
}

TEST_F(EtcdTest, AnEtcdThatLostItsDataHasLostOurPosition) {
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(session->create(fmt::format("10.5.{}.0-24", i), "x", {}));
  const Revision before = now();
  etcd->wipe();
  ASSERT_TRUE(etcd->start_again());
  WatchLog watch(*session, before, loop);
  ASSERT_TRUE(watch.reports("position lost"));
  EXPECT_TRUE(session->snapshot().value().records.empty());
}

TEST_F(EtcdTest, ADeadEndpointIsPassedOver) {
  const ReservedPort dead;
  const auto both = open({url_of(dead.number()), etcd->url()});
  WatchLog early(*both, now(), loop);  // the first thing it does may be to watch
  EXPECT_TRUE(early.reports("disconnected"));
  EXPECT_TRUE(both->create(kOne, "one", kDay));
  WatchLog watch(*both, now(), loop);
  ASSERT_TRUE(both->write_config("{}", 0));
  EXPECT_TRUE(watch.reports("config"));
}

TEST_F(EtcdTest, AFrozenEndpointIsPassedOver) {
  const auto frozen = EtcdServer::start().value();
  frozen->freeze();
  const auto both = open({frozen->url(), etcd->url()});
  EXPECT_TRUE(both->create(kOne, "one", kDay));
}

// The write reaches etcd, its answer does not reach us, and the connection breaks.
class LostAnswerTest : public EtcdTest {
 protected:
  void SetUp() override {
    EtcdTest::SetUp();
    if (IsSkipped()) return;
    relay = std::make_unique<TcpRelay>(etcd->port());
    through = open({url_of(relay->port())});
    ASSERT_TRUE(through->snapshot());
  }

  template <typename T>
  Result<T> lose_answer(const std::string& seen, const std::function<void(Reply<T>)>& ask) {
    WatchLog watch(*session, now(), loop);
    relay->swallow_answers();
    std::optional<Result<T>> got;
    ask([&](Result<T> result) {
      got = std::move(result);
      loop.check();
    });
    EXPECT_TRUE(watch.reports(seen));
    EXPECT_FALSE(got);
    relay->cut();
    EXPECT_TRUE(loop.until([&] { return got.has_value(); }));
    EXPECT_EQ(watch.count("|"), 1) << "done twice:\n" << watch.text();
    return *std::move(got);
  }

  std::unique_ptr<TcpRelay> relay;
  std::unique_ptr<BlockingRegistry> through;
};

TEST_F(LostAnswerTest, OfACreateWithoutLeaseIsFoundOut) {
  const auto held = lose_answer<WriteResult>("put", [&](const Reply<WriteResult>& reply) {
    through->registry().create_if_absent(kOne, "one", {}, reply);
  });
  ASSERT_TRUE(held) << held.error().text;
  EXPECT_EQ(session->snapshot().value().records.at(0), record_of(kOne, "one", *held));
}

TEST_F(LostAnswerTest, OfAGrantLeavesNoLeaseBehind) {
  relay->swallow_answers();
  const auto lost = through->create(kOne, "one", kDay);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().kind, ErrorKind::unavailable) << lost.error().text;
  EXPECT_EQ(lease_count(), 1) << "granted, although the answer was lost";
  relay->cut();
  ASSERT_TRUE(through->snapshot());
  ASSERT_TRUE(through->snapshot()) << "by then the revocation has been sent";
  EXPECT_EQ(lease_count(), 0);
  EXPECT_TRUE(through->create(kOne, "one", kDay)) << "under another lease";
}

TEST_F(LostAnswerTest, OfAReplaceIsFoundOut) {
  const Record one = record_of(kOne, "one", session->create(kOne, "one", {}).value());
  const auto held = lose_answer<WriteResult>("put", [&](const Reply<WriteResult>& reply) {
    through->registry().replace_if_unchanged(one, "two", {}, reply);
  });
  ASSERT_TRUE(held) << held.error().text;
  EXPECT_EQ(session->snapshot().value().records.at(0), record_of(kOne, "two", *held));
}

TEST_F(LostAnswerTest, OfAReleaseIsFoundOut) {
  const Record one = record_of(kOne, "one", session->create(kOne, "one", {}).value());
  EXPECT_TRUE(lose_answer<void>("gone", [&](const Reply<void>& reply) {
    through->registry().release_if_unchanged(one, reply);
  }));
}

TEST_F(LostAnswerTest, OfAConfigurationIsFoundOut) {
  const auto written = lose_answer<Revision>("config", [&](const Reply<Revision>& reply) {
    through->registry().write_config("{}", 0, reply);
  });
  ASSERT_TRUE(written) << written.error().text;
  EXPECT_EQ(session->snapshot().value().config->revision, *written);
}

}  // namespace
}  // namespace flannel::etcd_registry_test
