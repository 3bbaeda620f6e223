#include "hostd/token.h"

#include <gtest/gtest.h>

namespace warmfs::hostd {
namespace {

using std::string_view_literals::operator""sv;

TEST(TokenTest, IsTheSameHoweverItsLineEnds) {
  for (const auto line : {"a-token"sv, "a-token "sv, "a-token\r"sv,
                          "a-token \r"sv, "a-token\t\r\n"sv}) {
    EXPECT_EQ(TokenOf(line), "a-token");
    EXPECT_TRUE(TokensEqual(TokenOf(line), "a-token"));
    EXPECT_TRUE(TokensEqual("a-token", TokenOf(line)));
  }
  EXPECT_EQ(TokenOf(" \r"), "");
  EXPECT_EQ(TokenOf(""), "");
}

TEST(TokenTest, AnotherIsAnother) {
  EXPECT_FALSE(TokensEqual("a-token", "A-token"));
  EXPECT_FALSE(TokensEqual("a-token", "a-toke"));
  EXPECT_FALSE(TokensEqual("a-token", " a-token"));
  EXPECT_FALSE(TokensEqual("a-token", "a-token "));
  EXPECT_FALSE(TokensEqual("a-token", "a -token"));
  EXPECT_FALSE(TokensEqual("a-token", ""));
  EXPECT_FALSE(TokensEqual("a-token", "a-token\0"sv));
}

TEST(TokenTest, WhatPowerShellWritesByItselfIsNoPlainText) {
  EXPECT_TRUE(IsPlainText("a-token \r"));
  EXPECT_FALSE(
      IsPlainText("\xFF\xFE"
                  "a\0-\0"sv));
  EXPECT_FALSE(
      IsPlainText("\xEF\xBB\xBF"
                  "a-token"));
}

}  // namespace
}  // namespace warmfs::hostd
