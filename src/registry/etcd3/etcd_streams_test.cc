// SPDX-License-Identifier: Apache-2.0
// The two streams to etcd, the keep-alives and the watch: what they cost, and what becomes of them
// when the other side falls silent or breaks.
#include <fmt/format.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include "registry/etcd3/etcd_watch.h"
#include "registry/etcd3/etcdserver.pb.h"
#include "registry/etcd3/message_bytes.h"
#include "registry/open_registry.h"
#include "support/blocking_registry.h"
#include "support/etcd_server.h"
#include "support/tcp_relay.h"
#include "support/temporary_folder.h"

namespace flannel::etcd_streams_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kSubnets = "/coreos.com/network/subnets/";

class EtcdStreamsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdServer::installed()) {
      GTEST_SKIP() << "etcd and etcdctl are not installed: ITS STREAMS ARE NOT TESTED";
    }
    etcd = EtcdServer::start().value();
  }

  std::unique_ptr<BlockingRegistry> open(const std::vector<std::string>& urls) {
    StoreOptions options;
    options.endpoints = urls;
    return std::make_unique<BlockingRegistry>(open_registry(options, loop.loop()).value(), loop);
  }

  // "started" calls and "msg_received", of etcd's own counters.
  int count(const std::string& what, const std::string& method) const {
    const std::string all = run_command({"curl", "-s", etcd->url() + "/metrics"}).value();
    const auto line =
        all.find(fmt::format("grpc_server_{}_total{{grpc_method=\"{}\"", what, method));
    return line == std::string::npos ? 0 : std::stoi(all.substr(all.find("} ", line) + 2));
  }

  PatientLoop loop;
  std::unique_ptr<EtcdServer> etcd;
};

// A node that lags behind, in a cluster without a leader: it opens watches and answers nothing
// else.
class LaggingNode final : public grpc::CallbackGenericService {
 public:
  static constexpr Revision kRevision = 5;

  LaggingNode() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterCallbackGenericService(this);
    running_ = builder.BuildAndStart();
  }
  ~LaggingNode() override { running_->Shutdown(gpr_now(GPR_CLOCK_REALTIME)); }

  std::string url() const { return url_of(static_cast<std::uint16_t>(port_)); }

 private:
  class Call final : public grpc::ServerGenericBidiReactor {
   public:
    explicit Call(bool watch) : watch_(watch) {
      if (!watch_) {
        Finish({grpc::StatusCode::UNAVAILABLE, "etcdserver: no leader"});
        return;
      }
      etcdserverpb::WatchResponse created;
      created.set_created(true);
      created.mutable_header()->set_revision(kRevision);
      created_ = to_bytes(created);
      StartWrite(&created_);
    }
    void OnCancel() override {
      if (watch_) Finish(grpc::Status::CANCELLED);
    }
    void OnDone() override { delete this; }

   private:
    const bool watch_;
    grpc::ByteBuffer created_;
  };

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new Call(context->method() == "/etcdserverpb.Watch/Watch");
  }

  int port_ = 0;
  std::unique_ptr<grpc::Server> running_;
};

// Whether the node lags or the cluster went back: without an answer nobody knows.
TEST(LaggingNodeTest, AWatchFromALaterRevisionEndsIfNoNodeReportsTheRevision) {
  const LaggingNode node;
  PatientLoop loop;
  StoreOptions options;
  options.endpoints = {node.url()};
  BlockingRegistry session(open_registry(options, loop.loop()).value(), loop);
  WatchLog watch(session, LaggingNode::kRevision + 1, loop);
  EXPECT_TRUE(watch.reports("disconnected")) << watch.text();
  EXPECT_NE(watch.error().text.find("no leader"), std::string::npos) << watch.error().text;
}

using KeepAliveTest = EtcdStreamsTest;

TEST_F(KeepAliveTest, AllRenewalsGoOverOneStream) {
  const auto session = open({etcd->url()});
  const Record one = record_of(kOne, "one", session->create(kOne, "one", kDay).value());
  for (int i = 0; i < 5; ++i)
    ASSERT_EQ(session->renew(one, kDay).value().ttl, kDay);
  EXPECT_EQ(count("started", "LeaseKeepAlive"), 1);
  EXPECT_EQ(count("msg_received", "LeaseKeepAlive"), 5);
}

TEST_F(KeepAliveTest, ManyAtOnceAreAnsweredEachForItsLease) {
  const auto session = open({etcd->url()});
  std::vector<Record> records;
  std::vector<seconds> answers;
  for (int i = 0; i < 5; ++i) {
    const std::string key = fmt::format("10.5.{}.0-24", i);
    records.push_back(record_of(key, "x", session->create(key, "x", seconds(600 + i)).value()));
  }
  for (const Record& record : records) {
    session->registry().renew_if_unchanged(record, kDay, [&](const Result<WriteResult>& held) {
      answers.push_back(held ? held->ttl.value_or(seconds(0)) : seconds(-1));
      loop.check();
    });
  }
  ASSERT_TRUE(loop.until([&] { return answers.size() == records.size(); }));
  std::ranges::sort(answers);
  EXPECT_EQ(answers,
            (std::vector{seconds(600), seconds(601), seconds(602), seconds(603), seconds(604)}));
  EXPECT_EQ(count("started", "LeaseKeepAlive"), 1);
}

TEST_F(KeepAliveTest, ABrokenStreamIsOpenedAgainByTheNextRenewal) {
  TcpRelay relay(etcd->port());
  const auto session = open({url_of(relay.port())});
  const Record one = record_of(kOne, "one", session->create(kOne, "one", kDay).value());
  ASSERT_TRUE(session->renew(one, kDay));
  relay.cut();
  const auto renewed = session->renew(one, kDay);
  EXPECT_TRUE(renewed) << renewed.error().text;
}

TEST_F(KeepAliveTest, ASilentStreamIsGivenUpForTheOtherEndpoint) {
  TcpRelay relay(etcd->port());
  const auto session = open({url_of(relay.port()), etcd->url()});
  const Record one = record_of(kOne, "one", session->create(kOne, "one", kDay).value());
  ASSERT_TRUE(session->renew(one, kDay));
  relay.swallow_answers();
  // This one asks for the lease's life first, so it is the stream that meets the silence.
  const auto replaced = session->replace(one, "two", kDay);
  ASSERT_TRUE(replaced) << replaced.error().text;
  EXPECT_EQ(replaced->expiry_handle, one.expiry_handle);
  EXPECT_GE(session->registry().failures().silence, 1U);
}

TEST_F(KeepAliveTest, AHoldThatIsGoneGivesWayToANewOne) {
  const auto session = open({etcd->url()});
  Record one = record_of(kOne, "one", session->create(kOne, "one", kDay).value());
  one.expiry_handle = "4711";
  const auto replaced = session->replace(one, "two", kDay);
  ASSERT_TRUE(replaced) << replaced.error().text;
  EXPECT_NE(replaced->expiry_handle, one.expiry_handle);
}

TEST_F(KeepAliveTest, AnEtcdThatIsGoneFailsTheRenewal) {
  const auto session = open({etcd->url()});
  const Record one = record_of(kOne, "one", session->create(kOne, "one", kDay).value());
  ASSERT_TRUE(session->renew(one, kDay));
  etcd->stop();
  const auto lost = session->replace(one, "two", kDay);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().kind, ErrorKind::unavailable);
  EXPECT_NE(lost.error().text.find("keep the lease alive: " + etcd->url()), std::string::npos)
      << lost.error().text;
  ASSERT_TRUE(etcd->start_again());
  const auto renewed = session->renew(one, kDay);
  EXPECT_TRUE(renewed) << renewed.error().text;
}

// Through etcd's own proxy, which answers the first request for a lease on a stream and no other
// before it has to renew the lease itself.
TEST_F(KeepAliveTest, AProxyThatAnswersOncePerStreamGetsAStreamForEachRenewal) {
  const ReservedPort port;
  const std::string at = fmt::format("127.0.0.1:{}", port.number());
  const TemporaryFolder folder;
  const auto proxy = ChildProcess::start({"etcd", "grpc-proxy", "start", "--listen-addr=" + at,
                                          fmt::format("--endpoints=127.0.0.1:{}", etcd->port())},
                                         folder.path() + "/log");
  ASSERT_TRUE(proxy);
  ASSERT_TRUE(loop.until([&] {
    loop.pass(milliseconds(50));
    return run_command({"env", "ETCDCTL_API=3", "etcdctl", "--endpoints", at, "--command-timeout",
                        "5s", "get", "nothing"})
        .has_value();
  }));
  const auto session = open({"http://" + at});
  const StoreFailures before = session->registry().failures();
  const Record one = record_of(kOne, "one", session->create(kOne, "one", kDay).value());
  // The second waits for 5 s in vain first. If each did, the loop would lose its patience.
  int renewed = 0;
  std::function<void()> renew = [&] {
    session->registry().renew_if_unchanged(one, kDay, [&](const Result<WriteResult>& held) {
      EXPECT_TRUE(held) << renewed << ": " << held.error().text;
      if (held && ++renewed < 8) return renew();
      loop.check();
    });
  };
  renew();
  EXPECT_TRUE(loop.until([&] { return renewed == 8 || HasFailure(); }));
  EXPECT_EQ(session->registry().failures(), before) << "this silence is no failure";
}

// The connection is established and answers pings, but etcd sends nothing on it.
class QuietWatchTest : public EtcdStreamsTest {
 protected:
  void SetUp() override {
    EtcdStreamsTest::SetUp();
    if (IsSkipped()) return;
    session = EtcdSession::open({.endpoints = {parse_endpoint(etcd->url(), false).value()},
                                 .tls_files = {},
                                 .username = {},
                                 .password = {}},
                                loop.loop())
                  .value();
    connection = std::make_unique<EtcdConnection>(*session, loop.loop());
    watch = start_etcd_watch(
        {.connection = *connection,
         .loop = loop.loop(),
         .keys = keys,
         .from = 1,
         .narrow = narrow,
         .longest_silence = kLongest},
        {.on_changes = [&](const std::vector<Change>& changes,
                           Revision) { changes_heard += static_cast<int>(changes.size()); },
         .on_position_lost = [] { ADD_FAILURE(); },
         .on_disconnected =
             [&](Error error) {
               why = std::move(error);
               loop.check();
             }});
  }

  static constexpr seconds kLongest{2};
  const StoreKeys keys{"/coreos.com/network"};
  bool narrow = false;
  std::shared_ptr<EtcdSession> session;
  std::unique_ptr<EtcdConnection> connection;
  WatchHandle watch;
  int changes_heard = 0;
  std::optional<Error> why;
};

TEST_F(QuietWatchTest, IsEndedAndCountedAsSilence) {
  ASSERT_TRUE(loop.until([&] { return why.has_value(); }));
  EXPECT_EQ(why->kind, ErrorKind::unavailable);
  EXPECT_EQ(why->text, "watch etcd: etcd says nothing of the watch any more");
  EXPECT_EQ(connection->failures(), (StoreFailures{.silence = 1}));
}

TEST_F(QuietWatchTest, StandsForAsLongAsEtcdSpeaksOfIt) {
  const TimePoint enough = BootClock::now() + 2 * kLongest;
  TimePoint last_word{};  // no earlier than this
  int put = 0;
  while (BootClock::now() < enough && !why) {
    const TimePoint now = BootClock::now();
    ASSERT_TRUE(etcd->ctl({"put", kSubnets + kOne, std::to_string(++put)}));
    ASSERT_TRUE(loop.until([&] {
      loop.pass(milliseconds(100));
      return changes_heard == put || why;
    }));
    if (!why) last_word = now;
  }
  // On a machine with no time for etcd it may end, but not before its time.
  EXPECT_TRUE(!why || BootClock::now() - last_word >= kLongest) << why->text;
}

}  // namespace
}  // namespace flannel::etcd_streams_test
