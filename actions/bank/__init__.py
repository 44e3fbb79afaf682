"""The bank behind Teller: customers, accounts, cards and transactions. Knows neither Rasa nor HTTP.

`service.BankService` holds the rules, `repository` the queries, `tables` the schema; `migrations.migrate(engine)`
brings a database up to date and `seed.seed(engine)` fills an empty one with the demo bank.
"""
