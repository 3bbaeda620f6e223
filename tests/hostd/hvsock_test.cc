// Names of Hyper-V sockets, as users write them and as Windows has them.

#include "hostd/hvsock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace warmfs::hostd {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(HvsockTest, APortIsTheTemplateWithItsNumber) {
  const Guid service = VsockService(5001);
  EXPECT_EQ(FormatGuid(service), "00001389-facb-11e6-bd58-64006a7986d3");
  EXPECT_EQ(VsockPort(service), 5001u);
  EXPECT_EQ(FormatGuid(VsockService(0xffffffff)),
            "ffffffff-facb-11e6-bd58-64006a7986d3");
}

TEST(HvsockTest, AnotherServiceIsNoPort) {
  const auto other = ParseGuid("00001389-facb-11e6-bd58-64006a7986d4");
  ASSERT_TRUE(other);
  EXPECT_EQ(VsockPort(*other), std::nullopt);
}

TEST(HvsockTest, AGuidIsReadInEachForm) {
  const std::string plain = "01234567-89ab-cdef-0123-456789abcdef";
  const auto guid = ParseGuid(plain);
  ASSERT_TRUE(guid);
  EXPECT_EQ(guid->a, 0x01234567u);
  EXPECT_EQ(guid->b, 0x89ab);
  EXPECT_EQ(guid->c, 0xcdef);
  EXPECT_EQ(guid->d[7], 0xef);
  EXPECT_EQ(FormatGuid(*guid), plain);
  EXPECT_EQ(ParseGuid("{01234567-89AB-CDEF-0123-456789ABCDEF}"), guid);
}

TEST(HvsockTest, WhatIsNoGuidIsRefused) {
  for (const char* text : {"", "{}", "01234567-89ab-cdef-0123-456789abcde",
                           "01234567-89ab-cdef-0123-456789abcdef0",
                           "0123456789abcdef0123456789abcdef----",
                           "01234567-89ab-cdef-0123-456789abcdeg",
                           "+1234567-89ab-cdef-0123-456789abcdef",
                           "{01234567-89ab-cdef-0123-456789abcdef)",
                           "01234567-89ab-cdef-0123_456789abcdef"}) {
    EXPECT_FALSE(ParseGuid(text)) << text;
  }
}

TEST(HvsockTest, EndpointsOfAllMachinesAndOfOne) {
  const auto all = ParseHvsock("hvsock:5001");
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->service, VsockService(5001));
  EXPECT_EQ(FormatGuid(all->vm), "90db8b89-0d35-4f79-8ce9-49ea0ac8b7cd");
  const std::string vm = "01234567-89ab-cdef-0123-456789abcdef";
  const auto one = ParseHvsock("hvsock:" + vm + ":5001");
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(FormatGuid(one->vm), vm);
  EXPECT_EQ(one->service, VsockService(5001));
  const auto named = ParseHvsock("hvsock:" + vm);
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_EQ(FormatGuid(named->service), vm);
  EXPECT_EQ(named->vm, all->vm);
}

TEST(HvsockTest, WhatIsNoEndpointIsToldTheForm) {
  for (const char* text :
       {"hvsock:", "hvsock:x", "hvsock:-1", "hvsock:5 ", "hvsock:4294967296",
        "hvsock:2:5001", "hvsock:01234567-89ab-cdef-0123-456789abcdef:"}) {
    const auto name = ParseHvsock(text);
    ASSERT_EQ(name.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(name.status().message()),
                AllOf(HasSubstr(text), HasSubstr("hvsock:PORT")));
  }
}

TEST(HvsockTest, AnErrorSaysWhatToDo) {
  const HvsockName name{.vm = {}, .service = VsockService(5001)};
  EXPECT_THAT(HvsockAdvice(name, 10047), HasSubstr("tcp:127.0.0.1:PORT"));
  EXPECT_THAT(HvsockAdvice(name, 10013),
              AllOf(HasSubstr("administrator"),
                    HasSubstr("00001389-facb-11e6-bd58-64006a7986d3")));
  EXPECT_THAT(HvsockAdvice(name, 5), HasSubstr("5"));
}

}  // namespace
}  // namespace warmfs::hostd
