// SPDX-License-Identifier: Apache-2.0
// Answers that a real Consul gives seldom or late: indexes that fall, lists of an old leader, lists
// that lack what the token may not read, too many requests, half an answer.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <mutex>

#include "registry/consul/consul_registry.h"
#include "registry/consul/kv_api.h"
#include "support/blocking_registry.h"
#include "support/scripted_server.h"

namespace flannel::consul_answers_test {
namespace {

using std::chrono::milliseconds;

// An entry of a list. The value is "one".
std::string entry(const std::string& key, int modified) {
  return fmt::format(
      R"({{"Key":"net/subnets/{}","Value":"b25l","CreateIndex":1,"ModifyIndex":{}}})", key,
      modified);
}

// What the scripted server answers. All members are guarded by the mutex.
class FakeConsul {
 public:
  // Sets the list that every query gets from now on. A query waits while the list has its index.
  void set(int index, std::vector<std::string> entries) {
    change([&] { all_ = leader_ = {index, std::move(entries)}; });
  }
  // The leader still has the list before.
  void set_old_leader(int index, std::vector<std::string> entries) {
    change([&] { all_ = {index, std::move(entries)}; });
  }
  void deny() {
    change([&] { denied_ = true; });
  }
  void never_wait() {
    change([&] { waits_ = false; });
  }
  // Every request gets this answer.
  void answer_always(std::string text) {
    change([&] { always_ = std::move(text); });
  }
  void end() {
    change([&] { ending_ = true; });
  }

  int count(const std::string& what) {
    const std::lock_guard lock(mutex_);
    return static_cast<int>(std::ranges::count_if(
        heads_, [&](const std::string& head) { return head.find(what) != std::string::npos; }));
  }

  std::string serve(const std::string& head, const std::string&) {
    std::unique_lock lock(mutex_);
    heads_.push_back(head);
    if (!always_.empty()) return always_;
    if (head.starts_with("PUT /v1/txn")) {
      return ScriptedServer::answer(
          409, "",
          denied_ ? R"({"Errors":[{"OpIndex":0,"What":"Permission denied"}]})"
                  : R"({"Errors":[{"OpIndex":0,"What":"key doesn't exist"}]})");
    }
    if (head.starts_with("PUT /v1/catalog/register")) {
      return denied_ ? ScriptedServer::answer(403, "", "Permission denied")
                     : ScriptedServer::answer(200, "", "true");
    }
    if (head.starts_with("PUT /v1/session/create")) {
      return ScriptedServer::answer(500, "", "Missing node registration");
    }
    if (const auto at = head.find("&index="); at != std::string::npos && waits_) {
      const int index = std::atoi(head.c_str() + at + 7);
      changed_.wait_for(lock, std::chrono::seconds(20),
                        [&] { return ending_ || all_.index != index || !always_.empty(); });
      if (!always_.empty()) return always_;
    }
    return text_of(head.find("&consistent") != std::string::npos ? leader_ : all_);
  }

 private:
  struct List {
    int index = 1;
    std::vector<std::string> entries;
  };

  template <typename Change>
  void change(Change change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }

  static std::string text_of(const List& list) {
    return ScriptedServer::answer(list.entries.empty() ? 404 : 200,
                                  fmt::format("X-Consul-Index: {}\r\n", list.index),
                                  fmt::format("[{}]", fmt::join(list.entries, ",")));
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  List all_, leader_;
  std::string always_;
  std::vector<std::string> heads_;
  bool denied_ = false, waits_ = true, ending_ = false;
};

class ConsulAnswersTest : public ::testing::Test {
 protected:
  void TearDown() override {
    session.reset();
    consul.end();
  }

  std::unique_ptr<BlockingRegistry> open(const std::string& token = {}) {
    ConsulAccess access{
        .session = std::make_shared<EndpointSession>(EndpointAccess{
            .endpoints = {{.target = target()}}, .tls = TlsSource({}, {}), .secret = {token, {}}}),
        .datacenter = "east",
        .name_space = "a b"};
    return std::make_unique<BlockingRegistry>(
        open_consul_registry(std::move(access), "/net", loop.loop()), loop);
  }

  HttpTarget target() const { return parse_http_target(server.url(), false).value(); }
  Revision now() { return session->snapshot().value().revision; }
  bool asked(const std::string& what) {
    // The answer before it has been handled then, and its loop turned.
    for (int tries = 0; tries < 200 && consul.count(what) == 0; ++tries)
      loop.pass(milliseconds(10));
    return consul.count(what) > 0;
  }

  PatientLoop loop;
  FakeConsul consul;
  ScriptedServer server{[this](const std::string& head, const std::string& body) {
    return consul.serve(head, body);
  }};
  std::unique_ptr<BlockingRegistry> session = open();
};

TEST_F(ConsulAnswersTest, AnIndexThatFallsIsNoLossAndTheNextQueryAsksFromIt) {
  consul.set(21, {entry(kOne, 5)});
  WatchLog watch(*session, now(), loop);
  consul.set(13, {entry(kOne, 5)});
  ASSERT_TRUE(asked("&index=13&"));
  EXPECT_EQ(watch.text(), "");
  EXPECT_EQ(watch.reached(), 21) << "the position of a watch never falls";
  consul.set(78, {entry(kOne, 5), entry(kTwo, 78)});
  ASSERT_TRUE(watch.reports("put " + kTwo));
  EXPECT_EQ(watch.text(), "put " + kTwo + "=one\n|\n");
}

TEST_F(ConsulAnswersTest, WhatAnOldLeaderDoesNotHaveIsNotGone) {
  consul.set(20, {entry(kOne, 5), entry(kTwo, 20)});
  WatchLog watch(*session, now(), loop);
  consul.set_old_leader(10, {entry(kOne, 5)});
  ASSERT_TRUE(asked("&index=20&"));
  loop.pass(milliseconds(300));
  EXPECT_EQ(watch.text(), "");
  consul.set(30, {entry(kOne, 5)});
  ASSERT_TRUE(watch.reports("gone " + kTwo));
  EXPECT_EQ(watch.text(), "gone " + kTwo + "\n|\n");
}

TEST_F(ConsulAnswersTest, WhatTheTokenMayNoLongerReadIsNotGone) {
  consul.set(20, {entry(kOne, 5), entry(kTwo, 20)});
  WatchLog watch(*session, now(), loop);
  consul.deny();
  consul.set(25, {});
  ASSERT_TRUE(watch.reports("disconnected"));
  EXPECT_EQ(watch.text(), "disconnected\n");
  EXPECT_EQ(watch.error().kind, ErrorKind::denied);
  EXPECT_EQ(session->snapshot().error().kind, ErrorKind::denied);
  EXPECT_NE(session->snapshot().error().text.find("key_prefix \"net/\""), std::string::npos);
}

TEST_F(ConsulAnswersTest, AnEmptyStoreIsBelievedIfTheTokenMayReadIt) {
  const auto all = session->snapshot();
  ASSERT_TRUE(all) << all.error().text;
  EXPECT_TRUE(all->records.empty());
  consul.deny();
  EXPECT_EQ(open()->snapshot().error().kind, ErrorKind::denied);
}

TEST_F(ConsulAnswersTest, ARecordOfThePastMeansThatTheStoreWasRestored) {
  consul.set(30, {entry(kOne, 5), entry(kTwo, 20)});
  WatchLog watch(*session, now(), loop);
  consul.set(31, {entry(kOne, 4), entry(kTwo, 20)});
  ASSERT_TRUE(watch.reports("position lost"));
  EXPECT_EQ(watch.text(), "position lost\n");
}

TEST_F(ConsulAnswersTest, AnAnswerThatIsNoneEndsTheWatchAndChangesNothing) {
  const std::string half = "HTTP/1.1 200 OK\r\nX-Consul-Index: 9\r\nContent-Length: 99\r\n\r\n[";
  const std::pair<std::string, ErrorKind> answers[] = {
      {ScriptedServer::answer(429, "", "Your IP is issuing too many concurrent connections"),
       ErrorKind::unavailable},
      {ScriptedServer::answer(500, "", "No cluster leader"), ErrorKind::unavailable},
      {ScriptedServer::answer(301, "Location: /v1/kv/net/\r\n", ""), ErrorKind::invalid},
      {ScriptedServer::answer(200, "", "[]"), ErrorKind::invalid},
      {ScriptedServer::answer(200, "X-Consul-Index: 9\r\n", "<html>"), ErrorKind::invalid},
      {half, ErrorKind::unavailable}};
  for (const auto& [answer, kind] : answers) {
    consul.answer_always({});
    consul.set(20, {entry(kOne, 5)});
    WatchLog watch(*session, now(), loop);
    consul.answer_always(answer);
    ASSERT_TRUE(watch.reports("disconnected")) << answer;
    EXPECT_EQ(watch.text(), "disconnected\n") << answer;
    EXPECT_EQ(watch.error().kind, kind) << answer;
    const auto all = session->snapshot();
    ASSERT_FALSE(all) << answer;
    EXPECT_EQ(all.error().kind, kind) << all.error().text;
  }
}

TEST_F(ConsulAnswersTest, ANodeThatIsTakenOutOfTheCatalogMeanwhileIsNoMatterOfRights) {
  Error error = session->create(kOne, "one", kDay).error();
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
  EXPECT_NE(error.text.find("\"flannel\" was taken out of the catalog"), std::string::npos)
      << error.text;
  consul.deny();
  error = session->create(kOne, "one", kDay).error();
  EXPECT_EQ(error.kind, ErrorKind::denied);
  EXPECT_NE(error.text.find("may not register the node"), std::string::npos) << error.text;
}

TEST_F(ConsulAnswersTest, AServerThatNeverWaitsIsAskedMoreAndMoreSeldom) {
  consul.set(20, {entry(kOne, 5)});
  consul.never_wait();
  WatchLog watch(*session, now(), loop);
  loop.pass(milliseconds(1500));
  EXPECT_LE(consul.count("&index="), 6) << "after 0, 0.2, 0.6 and 1.4 seconds";
  EXPECT_GE(consul.count("&index="), 2);
  consul.set(21, {entry(kOne, 21)});
  ASSERT_TRUE(watch.reports("put " + kOne));
}

TEST_F(ConsulAnswersTest, AQueryHasItsWaitTheScopeAndTheTokenInTheHeader) {
  const auto held = open("s3cret");
  consul.set(20, {entry(kOne, 5)});
  WatchLog watch(*held, held->snapshot().value().revision, loop);
  ASSERT_TRUE(asked("GET /v1/kv/net/?recurse&index=20&wait=60s&dc=east&ns=a%20b HTTP/1.1"));
  EXPECT_EQ(consul.count("X-Consul-Token: s3cret\r\n"), consul.count("HTTP/1.1"));
  EXPECT_EQ(consul.count("token="), 0) << "Consul logs queries";
}

}  // namespace
}  // namespace flannel::consul_answers_test
