// SPDX-License-Identifier: Apache-2.0
// A list in pages, and what happens between two of them: a compaction, a member that goes, another
// cluster in its place. All calls pass through a relay that knows gRPC.
#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <atomic>

#include "registry/open_registry.h"
#include "support/blocking_registry.h"
#include "support/etcd_server.h"

namespace flannel::etcd_pages_test {
namespace {

// Forwards calls with one answer to an etcd, and does something before the first Range, which is
// how the second page of a list is read.
class PageRelay final : public grpc::CallbackGenericService {
 public:
  // Returns false if the relay is to answer nothing more, like a member that was killed.
  using BeforePage = std::function<bool()>;

  PageRelay(const std::string& target, BeforePage before_page)
      : stub_(grpc::CreateChannel(target, grpc::InsecureChannelCredentials())),
        before_page_(std::move(before_page)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterCallbackGenericService(this);
    running_ = builder.BuildAndStart();
  }
  ~PageRelay() override { running_->Shutdown(gpr_now(GPR_CLOCK_REALTIME)); }

  std::string url() const { return url_of(static_cast<std::uint16_t>(port_)); }
  int pages() const { return pages_; }

 private:
  class Call final : public grpc::ServerGenericBidiReactor {
   public:
    Call(PageRelay& relay, std::string method) : relay_(relay), method_(std::move(method)) {
      StartRead(&request_);
    }
    void OnReadDone(bool ok) override {
      if (!ok || !relay_.passes(method_)) {
        return Finish({grpc::StatusCode::UNAVAILABLE, "the member is gone"});
      }
      context_.set_wait_for_ready(true);
      relay_.stub_.UnaryCall(&context_, method_, {}, &request_, &answer_,
                             [this](const grpc::Status& status) {
                               if (!status.ok()) return Finish(status);
                               StartWriteAndFinish(&answer_, {}, status);
                             });
    }
    void OnDone() override { delete this; }

   private:
    PageRelay& relay_;
    const std::string method_;
    grpc::ClientContext context_;
    grpc::ByteBuffer request_, answer_;
  };

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new Call(*this, context->method());
  }

  bool passes(const std::string& method) {
    if (method.ends_with("KV/Range") && pages_++ == 0) gone_ = !before_page_();
    return !gone_;
  }

  grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub_;
  const BeforePage before_page_;
  std::atomic<int> pages_{0};
  std::atomic<bool> gone_{false};
  int port_ = 0;
  std::unique_ptr<grpc::Server> running_;
};

class EtcdPagesTest : public ::testing::Test {
 protected:
  static constexpr int kMany = 2500;

  void SetUp() override {
    if (!EtcdServer::installed()) {
      GTEST_SKIP() << "etcd and etcdctl are not installed: ITS LISTS IN PAGES ARE NOT TESTED";
    }
    etcd = start("0");
  }

  static std::string target_of(const EtcdServer& server) {
    return fmt::format("127.0.0.1:{}", server.port());
  }

  static std::unique_ptr<BlockingRegistry> open(const std::vector<std::string>& urls,
                                                PatientLoop& loop) {
    StoreOptions options;
    options.endpoints = urls;
    return std::make_unique<BlockingRegistry>(open_registry(options, loop.loop()).value(), loop);
  }
  Result<Snapshot> list(const std::vector<std::string>& urls) {
    return open(urls, loop)->snapshot();
  }

  // More records of this value than a page has.
  static void fill(const EtcdServer& server, const std::string& value) {
    PatientLoop loop;
    const auto session = open({server.url()}, loop);
    int begun = 0, written = 0;
    std::function<void()> write_next = [&] {
      if (begun == kMany) return;
      const std::string key = fmt::format("10.{}.{}.0-24", begun / 256, begun % 256);
      ++begun;
      session->registry().create_if_absent(key, value, {}, [&](const Result<WriteResult>& held) {
        EXPECT_TRUE(held) << held.error().text;
        if (++written % 500 == 0) loop.check();
        write_next();
      });
    };
    for (int at_once = 0; at_once < 100; ++at_once)
      write_next();
    EXPECT_TRUE(loop.until([&] { return written == kMany; }));
  }

  static std::unique_ptr<EtcdServer> start(const std::string& value) {
    auto server = EtcdServer::start().value();
    fill(*server, value);
    return server;
  }

  static void expect_all(const Result<Snapshot>& all, std::size_t count, const std::string& value) {
    ASSERT_TRUE(all) << all.error().text;
    EXPECT_EQ(all->records.size(), count);
    for (const Record& record : all->records)
      ASSERT_EQ(record.value, value) << record.key;
  }

  // A record more, the last one of a list, and nothing kept of the history before it.
  static void write_and_compact(const EtcdServer& server) {
    EXPECT_TRUE(server.ctl({"put", "/coreos.com/network/subnets/10.99.0.0-24", "0"}));
    const std::string status = server.ctl({"endpoint", "status", "-w", "json"}).value();
    const auto at = status.find("\"revision\":") + 11;
    EXPECT_TRUE(server.ctl({"compact", status.substr(at, status.find_first_of(",}", at) - at)}));
  }

  PatientLoop loop;
  std::unique_ptr<EtcdServer> etcd;
};

TEST_F(EtcdPagesTest, ACompactionBetweenTwoPagesBeginsTheListAgain) {
  PageRelay relay(target_of(*etcd), [this] {
    write_and_compact(*etcd);
    return true;
  });
  const auto all = list({relay.url()});
  expect_all(all, kMany + 1, "0");
  EXPECT_GE(relay.pages(), 2) << "the page after the compaction, and that of the second list";
}

// What was written between two pages is not in the list, whoever answers.
TEST_F(EtcdPagesTest, AnotherMemberGoesOnAtTheSameRevision) {
  PageRelay relay(target_of(*etcd), [this] {
    EXPECT_TRUE(etcd->ctl({"put", "/coreos.com/network/subnets/10.99.0.0-24", "0"}));
    return false;
  });
  const auto all = list({relay.url(), etcd->url()});
  expect_all(all, kMany, "0");
  EXPECT_EQ(relay.pages(), 1);
}

TEST_F(EtcdPagesTest, APageOfAnotherClusterIsNoPartOfTheList) {
  const auto other = start("1");
  PageRelay relay(target_of(*etcd), [] { return false; });
  const auto all = list({relay.url(), other->url()});
  expect_all(all, kMany, "1");
}

// It has the id of the cluster before, since its members have the same names, and its revision.
TEST_F(EtcdPagesTest, APageOfAClusterThatBeganAnewIsNoPartOfTheList) {
  etcd->stop();
  ASSERT_TRUE(etcd->start_again()) << "in a later term";
  PageRelay relay(target_of(*etcd), [this] {
    etcd->stop();
    etcd->wipe();
    EXPECT_TRUE(etcd->start_again());
    fill(*etcd, "1");
    return true;
  });
  expect_all(list({relay.url()}), kMany, "1");
}

}  // namespace
}  // namespace flannel::etcd_pages_test
