"""The filters: each takes the documents of a post-scan job to where its instructions say.

One file per dialect; `table` knows which ones this server has.
"""
