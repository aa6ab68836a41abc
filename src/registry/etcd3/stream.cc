// SPDX-License-Identifier: Apache-2.0
// A stream of EtcdConnection:
//
//   start ──▶ write the request ──▶ read ──▶ read ──▶ ... ──▶ finish ──▶ on_end
//     └───────────────┴── failed ────┴────────┴───────────────▲
//
// Each arrow is one operation of gRPC, at most one is under way. A dropped handle cancels the
// call, so that the operation under way ends at once, and nothing follows it.
#include <utility>

#include "registry/etcd3/call_error.h"
#include "registry/etcd3/connection.h"

namespace flannel {

class EtcdConnection::Stream final : public std::enable_shared_from_this<Stream> {
 public:
  Stream(EtcdConnection& connection, std::string method, Bytes request, StreamListener listener)
      : connection_(connection),
        method_(std::move(method)),
        request_(std::move(request)),
        listener_(std::move(listener)) {}

  void start() {
    if (dropped_) return;
    used_ = connection_.channel();
    connection_.add_token(context_);
    // etcd then ends the stream when its node has lost the leader, instead of falling silent.
    context_.AddMetadata("hasleader", "true");
    connection_.active_.insert(&context_);
    call_ =
        grpc::GenericStub(used_).PrepareCall(&context_, method_, &connection_.completions_.queue());
    call_->StartCall(operation(&Stream::on_started));
  }

  void refuse(const Error& error) {
    if (!dropped_) end(error);
  }

  // After this the connection is not touched again: it may be gone when the cancelled operation
  // comes back.
  void drop() {
    if (!std::exchange(dropped_, true)) connection_.active_.erase(&context_);
    context_.TryCancel();
  }

 private:
  using Then = void (Stream::*)(bool ok);

  class Operation final : public Completion {
   public:
    Operation(std::shared_ptr<Stream> stream, Then then)
        : stream_(std::move(stream)), then_(then) {}
    void complete(bool ok) override { (stream_.get()->*then_)(ok); }

   private:
    std::shared_ptr<Stream> stream_;
    Then then_;
  };

  void* operation(Then then) { return new Operation(shared_from_this(), then); }

  void on_started(bool ok) {
    if (!ok || dropped_) return finish();
    call_->Write(request_, operation(&Stream::on_written));
  }

  void on_written(bool ok) {
    if (!ok || dropped_) return finish();
    call_->Read(&message_, operation(&Stream::on_read));
  }

  void on_read(bool ok) {
    if (!ok || dropped_) return finish();
    const auto on_message = listener_.on_message;  // a copy: the listener may drop us
    on_message(std::exchange(message_, Bytes()));
    if (dropped_) return finish();
    call_->Read(&message_, operation(&Stream::on_read));
  }

  void finish() {
    if (!dropped_) call_->Finish(&status_, operation(&Stream::on_finished));
  }

  void on_finished(bool) {
    if (dropped_) return;
    connection_.active_.erase(&context_);
    if (wants_authentication(status_)) connection_.forget_token();
    if (status_.ok()) {
      connection_.count_cancelled_watch();
    } else {
      connection_.count_failure(status_);
    }
    const Error error =
        status_.ok() ? Error{ErrorKind::unavailable, "etcd ended the stream"} : to_error(status_);
    if (error.kind == ErrorKind::unavailable) connection_.move_on(used_);
    end(error);
  }

  void end(const Error& error) {
    dropped_ = true;
    const auto on_end = listener_.on_end;
    on_end(error);
  }

  EtcdConnection& connection_;
  std::string method_;
  Bytes request_;
  StreamListener listener_;
  std::shared_ptr<grpc::Channel> used_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<Bytes, Bytes>> call_;
  Bytes message_;
  grpc::Status status_;
  bool dropped_ = false;  // or ended: the listener hears nothing more
};

class EtcdConnection::StreamHandle final : public Subscription {
 public:
  explicit StreamHandle(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  ~StreamHandle() override { stream_->drop(); }

 private:
  std::shared_ptr<Stream> stream_;
};

SubscriptionPtr EtcdConnection::open_stream(std::string method, Bytes request,
                                            StreamListener listener) {
  auto stream =
      std::make_shared<Stream>(*this, std::move(method), std::move(request), std::move(listener));
  with_token([stream](const Result<void>& ready) {
    if (ready) {
      stream->start();
    } else {
      stream->refuse(ready.error());
    }
  });
  return std::make_unique<StreamHandle>(std::move(stream));
}

}  // namespace flannel
